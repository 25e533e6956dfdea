//! Every check of Clerk's `has()`, in guards and in a running tool.

use clerk_emulator::TokenRequest;
use mcp_auth::{AuthorizedParties, ServerBuilder};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::support::{ERAS, Era, ORGANIZATION_REQUIRED, World};

mod asked {
    use mcp_auth::{
        Check, Context, Feature, FromContext, Plan, Requirement, Reverification, State, TokenKind,
        ToolError, mcp_tool,
    };

    use crate::support::Runs;

    const EXPORT: Feature = Feature::new("org:export");
    const PRO: Plan = Plan::new("pro");
    const SOON: Reverification = Reverification::first_factor(2.5);
    const SESSION: TokenKind = TokenKind::Session;

    /// A caller who may export, as an extractor.
    struct Exporter;

    impl FromContext for Exporter {
        const REQUIRES: &'static [Requirement] = &[Requirement::Feature(EXPORT), Requirement::User];

        type Parts = ();

        async fn from_context(_: &Context, (): ()) -> Result<Self, ToolError> {
            Ok(Self)
        }
    }

    macro_rules! declared {
        ($($name:ident [$($key:tt)*];)+) => {$(
            #[mcp_tool($($key)*)]
            async fn $name(runs: &State<Runs>) -> &'static str {
                runs.count();
                "done"
            }
        )+};
    }

    declared! {
        export [feature = EXPORT];
        themed_export [feature = all("export", "u:theme")];
        pro [plan = PRO];
        strict [reverification = "strict"];
        soon [reverification = SOON];
        both_factors [reverification("multi_factor", 10)];
        by_people [require_user];
        by_app [accept = SESSION];
        by_client [accept = any("oauth", "api_key")];
        either [any(feature = "org:export", reverification("second_factor", 15), role = "admin")];
        paid_permission [permission = "org:documents:delete", feature = "org:documents"];
    }

    /// Export, or only show.
    #[mcp_tool]
    async fn maybe_export(exporter: Option<&Exporter>, runs: &State<Runs>) -> &'static str {
        runs.count();
        exporter.map_or("shown", |_| "exported")
    }

    /// Export what an extractor lets.
    #[mcp_tool]
    async fn injected_export(_exporter: &Exporter, runs: &State<Runs>) {
        runs.count();
    }

    /// Ask for what the arguments name.
    #[mcp_tool(public)]
    async fn ask(
        role: Option<String>,
        permission: Option<String>,
        feature: Option<String>,
        plan: Option<String>,
        reverification: Option<String>,
        cx: &Context,
        runs: &State<Runs>,
    ) -> Result<bool, ToolError> {
        runs.count();
        let mut question = Check::new();
        if let Some(role) = role {
            question = question.role(role);
        }
        if let Some(permission) = permission {
            question = question.permission(permission);
        }
        if let Some(feature) = feature {
            question = question.feature(feature);
        }
        if let Some(plan) = plan {
            question = question.plan(plan);
        }
        if let Some(preset) = reverification {
            question = question.reverification(&preset);
        }
        cx.has(question).await
    }
}

mod organizations {
    use mcp_auth::{Org, State, mcp_tool};

    use crate::support::Runs;

    macro_rules! declared {
        ($($name:ident [$($key:tt)*];)+) => {$(
            #[mcp_tool($($key)*)]
            async fn $name(runs: &State<Runs>) {
                runs.count();
            }
        )+};
    }

    declared! {
        bare [require_org];
        permitted [permission = "org:documents:delete"];
        scoped [require_org, scope = all("files:read", "files:write")];
        choice [require_org, any(scope = "files:write", role = "admin")];
        scope_choice [require_org, any(scope = all("files:read", "files:write"), plan = "pro")];
        paid [require_org, feature = "export"];
        verified [require_org, reverification = "lax"];
        paid_choice [require_org, any(plan = "pro", feature = "export")];
        forbidden [require_org, accept = "session"];
    }

    /// Name the organization.
    #[mcp_tool]
    async fn taken(org: &Org, runs: &State<Runs>) -> String {
        runs.count();
        org.id().to_owned()
    }
}

async fn asked() -> World {
    World::of("protocol::questions::asked", |builder| {
        builder.session_tokens(AuthorizedParties::any())
    })
    .await
}

async fn call(world: &World, era: Era, token: &str, tool: &str) -> Reply {
    let ask = world.call(era, tool, json!({})).bearer(token);
    ask.send().await
}

#[actix_web::test]
async fn the_claims_of_a_session_token_decide_and_a_denial_names_the_missing_requirement() {
    let world = asked().await;
    let bare = || TokenRequest::session("grace").org("acme");
    let names = |kind: &str, required: &[&str]| json!({ "kind": kind, "required": required });
    let verify = |name: &str, level: &str, minutes: Value| {
        json!({
            "kind": "reverification",
            "required": [name],
            "reverification": { "level": level, "afterMinutes": minutes },
        })
    };
    let mut runs = 0;
    for (tool, lacking, text, details, holding) in [
        (
            "export",
            bare().feature("u:export"),
            "Forbidden: org:export feature required",
            names("feature", &["org:export"]),
            bare().feature("o:export"),
        ),
        (
            "themed_export",
            bare().feature("o:theme"),
            "Forbidden: export, user:theme features required",
            names("feature", &["export", "user:theme"]),
            bare().feature("ou:theme").feature("o:export"),
        ),
        (
            "pro",
            bare(),
            "Forbidden: pro plan required",
            names("plan", &["pro"]),
            bare().plan("u:pro"),
        ),
        (
            "strict",
            bare().factor_ages(10.0, -1.0),
            "Forbidden: strict reverification required",
            verify("strict", "second_factor", json!(10)),
            bare().factor_ages(9.0, -1.0),
        ),
        (
            "strict",
            bare().factor_ages(0.0, 11.0),
            "Forbidden: strict reverification required",
            verify("strict", "second_factor", json!(10)),
            bare().factor_ages(600.0, 9.5),
        ),
        (
            "soon",
            bare().factor_ages(2.5, 0.0),
            "Forbidden: first_factor (2.5 minutes) reverification required",
            verify("first_factor (2.5 minutes)", "first_factor", json!(2.5)),
            bare().factor_ages(2.4, -1.0),
        ),
        (
            "both_factors",
            bare().factor_ages(11.0, 0.0),
            "Forbidden: strict_mfa reverification required",
            verify("strict_mfa", "multi_factor", json!(10)),
            bare().factor_ages(9.0, 9.0),
        ),
        (
            "either",
            bare().factor_ages(15.0, 15.0),
            "Forbidden: org:export feature, second_factor (15 minutes) reverification or org:admin \
             role required",
            json!({
                "kind": "any",
                "required": [
                    [{ "kind": "feature", "name": "org:export" }],
                    [{
                        "kind": "reverification",
                        "name": "second_factor (15 minutes)",
                        "reverification": { "level": "second_factor", "afterMinutes": 15 },
                    }],
                    [{ "kind": "role", "name": "org:admin" }],
                ],
            }),
            bare().factor_ages(15.0, 14.0),
        ),
        (
            "by_client",
            bare(),
            "Forbidden: oauth or api_key token required",
            names("token_kind", &["oauth", "api_key"]),
            TokenRequest::oauth("grace"),
        ),
        (
            "by_app",
            TokenRequest::oauth("grace"),
            "Forbidden: session token required",
            names("token_kind", &["session"]),
            bare(),
        ),
        (
            "injected_export",
            bare(),
            "Forbidden: org:export feature required",
            names("feature", &["org:export"]),
            bare().feature("ou:export"),
        ),
    ] {
        for era in ERAS {
            call(&world, era, &world.mint(&lacking), tool)
                .await
                .expect_denied(text, &details);
        }
        world.expect_runs(runs);
        let reply = call(&world, Era::Modern, &world.mint(&holding), tool).await;
        assert_ne!(reply.result()["isError"], true, "{tool}");
        runs += 1;
        world.expect_runs(runs);
    }
    for (request, text) in [(bare(), "shown"), (bare().feature("o:export"), "exported")] {
        call(&world, Era::Modern, &world.mint(&request), "maybe_export")
            .await
            .expect_text(text);
    }
    for request in [bare(), TokenRequest::oauth("linus")] {
        call(&world, Era::Modern, &world.mint(&request), "by_people")
            .await
            .expect_text("done");
    }
}

#[actix_web::test]
async fn an_oauth_token_has_no_features_plans_and_factors_even_if_it_claims_them() {
    let world = asked().await;
    let request = TokenRequest::oauth("grace").org("acme");
    let (header, mut claims) = world
        .instance
        .token_parts(&request, world.clock.unix_seconds())
        .unwrap();
    claims["fea"] = json!("ou:export,u:theme");
    claims["pla"] = json!("ou:pro");
    claims["fva"] = json!([0, 0]);
    claims["v"] = json!(2);
    claims["sid"] = json!("sess_1");
    let token = world.instance.mint_claims(header, claims).unwrap();
    for (tool, kind) in [
        ("export", "feature"),
        ("themed_export", "feature"),
        ("injected_export", "feature"),
        ("pro", "plan"),
        ("strict", "reverification"),
        ("soon", "reverification"),
        ("both_factors", "reverification"),
        ("either", "any"),
        ("paid_permission", "permission"),
    ] {
        for era in ERAS {
            let reply = call(&world, era, &token, tool).await;
            let denied = &reply.result()["_meta"]["mcp-auth-rs/denied"];
            assert_eq!(denied["kind"], kind, "{tool}");
            assert!(denied.get("cure").is_none(), "{tool}");
        }
    }
    world.expect_runs(0);
    call(&world, Era::Modern, &token, "maybe_export")
        .await
        .expect_text("shown");
    // A permission comes from the look-up, regardless of the plan. A feature does not.
    let reply = call(&world, Era::Modern, &world.ada(), "paid_permission").await;
    assert_eq!(reply.text(), "Forbidden: org:documents feature required");
    let session = world.mint(&TokenRequest::session("ada").org("acme"));
    call(&world, Era::Modern, &session, "paid_permission")
        .await
        .expect_text("done");
}

#[actix_web::test]
async fn the_list_has_callable_tools_and_tools_that_need_a_reverification() {
    let world = asked().await;
    let always = ["ask", "by_people", "maybe_export"];
    let session = || TokenRequest::session("grace").org("acme");
    let verifiable = ["both_factors", "either", "soon", "strict"];
    for (request, more) in [
        (TokenRequest::oauth("grace").org("acme"), &["by_client"][..]),
        (session(), &[&["by_app"][..], &verifiable].concat()),
        (
            session().factor_ages(2000.0, -1.0).feature("o:export"),
            &[&["by_app", "export", "injected_export"][..], &verifiable].concat(),
        ),
        (
            session().plan("o:pro"),
            &[&["by_app", "pro"][..], &verifiable].concat(),
        ),
    ] {
        let mut expected = [&always[..], more].concat();
        expected.sort_unstable();
        for era in ERAS {
            let reply = world.list(era).bearer(&world.mint(&request)).send().await;
            assert_eq!(reply.tools(), expected, "{request:?}");
        }
    }
}

#[actix_web::test]
async fn a_check_in_a_running_tool_agrees_with_the_guard() {
    let world = asked().await;
    let ask = async |token: Option<&str>, question: Value| {
        let ask = world.call(Era::Modern, "ask", question);
        let ask = token.map_or_else(|| ask.clone(), |token| ask.clone().bearer(token));
        ask.send().await.text()
    };
    let (ada, grace) = (world.ada(), world.grace());
    let session = TokenRequest::session("ada").org("acme");
    let session = world.mint(&session.feature("o:export").plan("u:pro"));
    let both = json!({ "role": "admin", "permission": "org:documents:delete" });
    for (token, question, expected) in [
        (Some(&ada), both.clone(), "true"),
        (
            Some(&ada),
            json!({ "permission": "org:documents:publish" }),
            "false",
        ),
        (Some(&grace), both.clone(), "false"),
        (
            Some(&grace),
            json!({ "permission": "org:documents:read" }),
            "true",
        ),
        (Some(&session), both.clone(), "true"),
        (
            Some(&session),
            json!({ "feature": "organization:export", "plan": "pro" }),
            "true",
        ),
        (
            Some(&session),
            json!({ "feature": "export", "role": "member" }),
            "false",
        ),
        (
            Some(&session),
            json!({ "reverification": "strict" }),
            "true",
        ),
        (Some(&session), json!({}), "false"),
        (None, both.clone(), "false"),
    ] {
        let told = ask(token.map(String::as_str), question.clone()).await;
        assert_eq!(told, expected, "{question}");
    }
    // The attribute accepts none of these forms, and neither does a check. Clerk would repair them.
    for question in [
        json!({ "permission": "documents:delete" }),
        json!({ "permission": "org:org:documents:delete" }),
        json!({ "role": "org:org:admin" }),
        json!({ "feature": "organization:export:pdf", "plan": "pro" }),
        json!({ "plan": "o:" }),
        json!({ "reverification": "relaxed" }),
    ] {
        let told = ask(Some(&session), question.clone()).await;
        assert!(
            told.starts_with("Internal error, reference "),
            "{question}: {told}"
        );
    }
}

#[actix_web::test]
async fn a_check_whose_look_up_fails_asks_to_try_again_and_reveals_no_more() {
    let world = asked().await;
    world.instance.fail_with(Some(500));
    let ask = |question: Value| {
        world
            .call(Era::Modern, "ask", question)
            .bearer(&world.ada())
    };
    let again = "Your permissions could not be looked up. Try again in a moment.";
    ask(json!({ "permission": "org:documents:delete" }))
        .send()
        .await
        .expect_tool_error(again);
    let asked = world.instance.requests_to("/v1/organizations");
    assert!(asked > 0);
    // If another requirement is missing, no look-up is needed.
    for question in [
        json!({ "permission": "org:documents:delete", "feature": "export" }),
        json!({ "role": "admin", "reverification": "lax" }),
        json!({ "plan": "pro" }),
    ] {
        ask(question).send().await.expect_text("false");
    }
    assert_eq!(world.instance.requests_to("/v1/organizations"), asked);
    world.instance.fail_with(None);
    ask(json!({ "permission": "org:documents:delete" }))
        .send()
        .await
        .expect_text("true");
}

const ORGANIZATIONS: &str = "protocol::questions::organizations";

#[actix_web::test]
async fn a_missing_organization_can_be_a_challenge_for_its_scope_and_the_other_missing_scopes() {
    for (tool, scopes, asked) in [
        ("bare", &["profile"][..], Some("user:org:read")),
        ("taken", &["profile"], Some("user:org:read")),
        ("permitted", &["profile"], Some("user:org:read")),
        (
            "scoped",
            &["profile"],
            Some("files:read files:write user:org:read"),
        ),
        // A challenge also names held scopes, because some clients drop scopes that it does not
        // name.
        (
            "scoped",
            &["files:read"],
            Some("files:read files:write user:org:read"),
        ),
        (
            "scoped",
            &["files:read", "files:write"],
            Some("files:read files:write user:org:read"),
        ),
        // A new token with an organization may have the role.
        ("choice", &["profile"], Some("user:org:read")),
        (
            "scope_choice",
            &["files:read"],
            Some("files:read files:write user:org:read"),
        ),
        // An OAuth token can never meet these, with or without an organization.
        ("paid", &["profile"], None),
        ("verified", &["profile"], None),
        ("paid_choice", &["profile"], None),
        // The scope was granted, and the user chose no organization.
        ("bare", &["user:org:read"], None),
        ("scoped", &["user:org:read"], None),
    ] {
        let world = World::of(ORGANIZATIONS, |builder| {
            builder
                .session_tokens(AuthorizedParties::any())
                .step_up_for_organization()
        })
        .await;
        let token = world.mint(&TokenRequest::oauth("linus").scopes(scopes.iter().copied()));
        for era in ERAS {
            let reply = call(&world, era, &token, tool).await;
            match asked {
                Some(asked) => {
                    let challenge =
                        world.insufficient_scope_challenge(asked, ORGANIZATION_REQUIRED);
                    assert_eq!(reply.expect_status(403).challenge(), challenge, "{tool}");
                }
                None => {
                    let details = json!({ "kind": "organization", "required": [] });
                    reply.expect_denied(ORGANIZATION_REQUIRED, &details);
                }
            }
        }
        // The third denial has a text and no challenge.
        let mut details = json!({ "kind": "organization", "required": [] });
        if let Some(asked) = asked {
            details["cure"] = json!({ "scope": asked });
        }
        call(&world, Era::Modern, &token, tool)
            .await
            .expect_denied(ORGANIZATION_REQUIRED, &details);
        world.expect_runs(0);
    }
}

#[actix_web::test]
async fn a_missing_organization_is_a_result_by_default_for_sessions_and_if_missing_scopes_are() {
    let linus = TokenRequest::oauth("linus");
    let session = TokenRequest::session("linus");
    let both = |builder: ServerBuilder| {
        builder
            .step_up_for_organization()
            .scope_denials_as_results()
    };
    for (settings, request, cure) in [
        ((|b| b) as fn(ServerBuilder) -> ServerBuilder, &linus, true),
        (both, &linus, true),
        (ServerBuilder::step_up_for_organization, &session, false),
    ] {
        let world = World::of(ORGANIZATIONS, |builder| {
            settings(builder.session_tokens(AuthorizedParties::any()))
        })
        .await;
        let mut details = json!({ "kind": "organization", "required": [] });
        if cure {
            details["cure"] = json!({ "scope": "user:org:read" });
        }
        for era in ERAS {
            call(&world, era, &world.mint(request), "bare")
                .await
                .expect_denied(ORGANIZATION_REQUIRED, &details);
        }
        let reply = call(&world, Era::Modern, &world.mint(&linus), "forbidden").await;
        assert_eq!(reply.text(), "Forbidden: session token required");
        world.expect_runs(0);
    }
}
