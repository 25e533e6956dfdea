//! Every kind of token that Clerk issues, over HTTP, with a local Clerk that verifies the opaque
//! ones.

use std::time::Duration;

use clerk_emulator::{Fault, TokenRequest};
use mcp_auth::{
    ApiKeyScopes, Caller, Context, FromContext, Json, Org, Profile, State, ToolError, mcp_tool,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::stub::{Answer, Stub};
use crate::support::{
    ERAS, Era, ORGANIZATION_REQUIRED, PERMISSION_DENIED, Runs, World, builder, emulator,
};

const TOOLS: &str = "protocol::tools";
const OWN: &str = "protocol::tokens::own";

mod own {
    use super::*;

    /// The properties of the caller that a tool can read.
    #[derive(JsonSchema, Serialize)]
    pub(super) struct Facts {
        kind: String,
        subject: String,
        user: Option<String>,
        machine: Option<String>,
        org_id: Option<String>,
        client: Option<String>,
        scopes: Vec<String>,
        expires: bool,
        claims: Value,
        debug: String,
    }

    /// Tell what the caller's token says.
    #[mcp_tool]
    async fn facts(caller: &Caller, runs: &State<Runs>) -> Json<Facts> {
        runs.count();
        Json(Facts {
            kind: format!("{:?}", caller.token_kind()),
            subject: caller.subject().to_owned(),
            user: caller.user_id().map(str::to_owned),
            machine: caller.machine_id().map(str::to_owned),
            org_id: caller.org_id().map(str::to_owned),
            client: caller.client_id().map(str::to_owned),
            scopes: caller.scopes().to_vec(),
            expires: caller.expires_at().is_some(),
            claims: caller.claims().clone().into(),
            debug: format!("{caller:?}"),
        })
    }

    /// Tell the caller's profile.
    #[mcp_tool]
    async fn profile(profile: &Profile) -> String {
        json!({
            "email": profile.email,
            "email_verified": profile.email_verified,
            "name": profile.name,
            "username": profile.username,
            "picture": profile.picture,
        })
        .to_string()
    }

    /// Tell the caller's address, from a profile that the tool asks for.
    #[mcp_tool]
    async fn address(caller: &Caller, cx: &Context) -> Result<String, ToolError> {
        let profile = Profile::from_context(cx, caller).await?;
        Ok(profile.email.unwrap_or_default())
    }

    /// Name the organization.
    #[mcp_tool]
    async fn organization(org: &Org) -> String {
        format!("{} {}", org.id(), org.role().unwrap_or("unknown"))
    }
}

#[actix_web::test]
async fn an_opaque_oauth_token_gives_the_same_caller_as_the_jwt() {
    let world = World::of(OWN, |builder| builder).await;
    let opaque = world.mint(&TokenRequest::oauth("ada").org("acme").opaque());
    let jwt = world.ada();
    assert!(opaque.starts_with("oat_"));
    let facts = facts(&world, &opaque).await;
    let of_jwt = self::facts(&world, &jwt).await;
    for member in [
        "kind", "subject", "user", "machine", "client", "scopes", "expires",
    ] {
        assert_eq!(facts[member], of_jwt[member], "{member}");
    }
    assert_eq!(
        (&facts["org_id"], &facts["claims"]),
        (&Value::Null, &json!({}))
    );
    assert!(!facts["debug"].as_str().unwrap().contains(&opaque));
    for token in [opaque, jwt] {
        let answer = call(&world, &token, "organization").await;
        answer.expect_text("org_acme org:admin");
    }
}

#[actix_web::test]
async fn guards_decide_alike_about_an_opaque_token_and_a_jwt() {
    let world = World::new().await;
    let mint = |request: TokenRequest| world.mint(&request.opaque());
    let ada = mint(TokenRequest::oauth("ada").org("acme"));
    let grace = mint(TokenRequest::oauth("grace").org("acme"));
    let linus = mint(TokenRequest::oauth("linus"));
    for era in ERAS {
        let delete = |token: &str| {
            let arguments = json!({ "document_id": "d1" });
            world
                .call(era, "delete_document", arguments)
                .bearer(token)
                .send()
        };
        delete(&ada)
            .await
            .expect_text("Document d1 of org_acme deleted");
        expect_denied(&delete(&grace).await, PERMISSION_DENIED);
        expect_denied(&delete(&linus).await, ORGANIZATION_REQUIRED);
        let upload = world.call(era, "upload", json!({})).bearer(&linus);
        upload.send().await.expect_status(403);
    }
    world.expect_runs(2);
}

#[actix_web::test]
async fn the_organization_of_an_opaque_token_follows_the_membership() {
    let world = World::of(OWN, |builder| builder).await;
    let ada = world.mint(&TokenRequest::oauth("ada").org("acme").opaque());
    call(&world, &ada, "organization")
        .await
        .expect_text("org_acme org:admin");
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(31));
    expect_denied(
        &call(&world, &ada, "organization").await,
        ORGANIZATION_REQUIRED,
    );
    // Membership of another organization does not change the token's organization.
    world.instance.set_member("ada", "globex", "admin", &[]);
    world.clock.advance(Duration::from_secs(31));
    expect_denied(
        &call(&world, &ada, "organization").await,
        ORGANIZATION_REQUIRED,
    );
}

#[actix_web::test]
async fn the_issuer_is_asked_for_an_organization_only_if_a_guard_needs_it_and_the_token_allows_it()
{
    let world = World::of(OWN, |builder| builder).await;
    let may = world.mint(&TokenRequest::oauth("ada").org("acme").opaque());
    let may_not = world.mint(&TokenRequest::oauth("ada").opaque());
    let asked = || world.instance.requests_to("/oauth/userinfo");
    facts(&world, &may).await;
    expect_denied(
        &call(&world, &may_not, "organization").await,
        ORGANIZATION_REQUIRED,
    );
    assert_eq!(asked(), 0);
    for _ in 0..3 {
        call(&world, &may, "organization")
            .await
            .expect_text("org_acme org:admin");
    }
    assert_eq!(asked(), 1);
    world.clock.advance(Duration::from_secs(60));
    world
        .instance
        .add_fault(Fault::status(500).at("/oauth/userinfo"));
    let reply = call(&world, &may, "organization").await;
    expect_503(&reply);
    facts(&world, &may).await;
}

#[actix_web::test]
async fn tokens_of_a_kind_that_is_not_accepted_are_401_without_a_call() {
    for (settings, refused) in [
        (
            (|builder| builder) as fn(mcp_auth::ServerBuilder) -> _,
            vec![
                TokenRequest::session("ada"),
                TokenRequest::m2m("billing"),
                TokenRequest::m2m("billing").jwt(),
                TokenRequest::api_key("ada"),
                TokenRequest::org_api_key("acme"),
            ],
        ),
        (
            |builder| {
                builder
                    .without_oauth_tokens()
                    .api_keys(ApiKeyScopes::any_key())
            },
            vec![
                TokenRequest::oauth("ada"),
                TokenRequest::oauth("ada").opaque(),
                TokenRequest::m2m("billing"),
            ],
        ),
        (
            |builder| {
                builder
                    .without_oauth_tokens()
                    .m2m_tokens()
                    .machine_id("mch_mcp")
                    // A machine is never in an organization.
                    .allow_unsatisfiable_guards()
            },
            vec![
                TokenRequest::oauth("ada").opaque(),
                TokenRequest::api_key("ada"),
            ],
        ),
    ] {
        let world = World::of(OWN, |builder| {
            settings(builder).allow_unsatisfiable_guards()
        })
        .await;
        for request in refused {
            let reply = call(&world, &world.mint(&request), "facts").await;
            expect_401(&reply);
        }
        for path in ["/oauth_applications", "/m2m_tokens", "/api_keys"] {
            assert_eq!(world.instance.requests_to(path), 0, "{path}");
        }
        world.expect_runs(0);
    }
}

#[actix_web::test]
async fn a_machine_is_not_a_user_and_its_token_must_be_for_this_machine() {
    let world = World::of(OWN, |builder| builder.m2m_tokens().machine_id("mch_mcp")).await;
    world.instance.set_machine("billing", &["mcp", "reports"]);
    world.instance.set_machine("reports", &[]);
    world.instance.set_machine("stranger", &["reports"]);
    for request in [
        TokenRequest::m2m("billing"),
        TokenRequest::m2m("billing").jwt(),
    ] {
        let token = world.mint(&request);
        let facts = facts(&world, &token).await;
        assert_eq!(facts["kind"], "M2m");
        assert_eq!(
            (&facts["machine"], &facts["user"]),
            (&json!("mch_billing"), &Value::Null)
        );
        assert_eq!(
            (&facts["scopes"], &facts["org_id"]),
            (&json!([]), &Value::Null)
        );
        expect_denied(
            &call(&world, &token, "organization").await,
            ORGANIZATION_REQUIRED,
        );
        expect_denied(&call(&world, &token, "profile").await, USER_REQUIRED);
        call(&world, &token, "address")
            .await
            .expect_tool_error("The caller is not a user");
    }
    for request in [
        TokenRequest::m2m("stranger"),
        TokenRequest::m2m("stranger").jwt(),
    ] {
        expect_401(&call(&world, &world.mint(&request), "facts").await);
    }
}

#[actix_web::test]
async fn with_only_its_secret_key_a_machine_accepts_opaque_tokens_and_no_jwt() {
    let clerk = emulator().await;
    let key = clerk.instance().machine_secret_key("mcp").unwrap();
    // The server has no key of the instance.
    let without_secret = |clerk: &clerk_emulator::Emulator| {
        mcp_auth::server!()
            .frontend_api_url(clerk.url())
            .api_url(clerk.url())
    };
    let world = World::built(
        clerk,
        OWN,
        |builder| {
            let builder = builder.m2m_tokens().machine_secret_key(key.expose());
            builder.allow_unsatisfiable_guards()
        },
        without_secret,
    )
    .await;
    world.instance.set_machine("stranger", &["reports"]);
    world.instance.set_machine("reports", &[]);
    let token = world.mint(&TokenRequest::m2m("billing"));
    assert_eq!(facts(&world, &token).await["machine"], "mch_billing");
    for request in [
        TokenRequest::m2m("billing").jwt(),
        TokenRequest::m2m("stranger"),
        TokenRequest::oauth("ada").opaque(),
    ] {
        expect_401(&call(&world, &world.mint(&request), "facts").await);
    }
}

#[actix_web::test]
async fn an_api_key_acts_for_its_user_or_its_organization() {
    let world = World::of(OWN, |builder| {
        builder.api_keys(ApiKeyScopes::all_of(["documents:read"]))
    })
    .await;
    let with = ["documents:read", "email"];
    let user = world.mint(
        &TokenRequest::api_key("ada")
            .scopes(with)
            .claims(json!({"tier": 1})),
    );
    let facts_of_user = facts(&world, &user).await;
    assert_eq!(facts_of_user["kind"], "ApiKey");
    assert_eq!(facts_of_user["user"], "user_ada");
    assert_eq!(
        (&facts_of_user["scopes"], &facts_of_user["expires"]),
        (&json!(with), &json!(false))
    );
    assert_eq!(facts_of_user["claims"], json!({"tier": 1}));
    let profile = call(&world, &user, "profile").await;
    profile.expect_text(
        r#"{"email":"ada@example.com","email_verified":true,"name":null,"picture":null,"username":null}"#,
    );

    let org = world.mint(&TokenRequest::org_api_key("acme").scopes(with));
    let facts_of_org = facts(&world, &org).await;
    assert_eq!(
        (&facts_of_org["user"], &facts_of_org["org_id"]),
        (&Value::Null, &json!("org_acme"))
    );
    call(&world, &org, "organization")
        .await
        .expect_text("org_acme unknown");
    expect_denied(&call(&world, &org, "profile").await, USER_REQUIRED);
    call(&world, &org, "address")
        .await
        .expect_tool_error("The caller is not a user");

    for request in [
        TokenRequest::api_key("ada"),
        TokenRequest::api_key("ada").scopes(["documents:write"]),
    ] {
        expect_401(&call(&world, &world.mint(&request), "facts").await);
    }
}

#[actix_web::test]
async fn a_revoked_token_of_any_kind_is_refused_within_a_minute() {
    let world = World::of(OWN, all_kinds).await;
    for request in opaque_kinds() {
        let token = world.mint(&request);
        facts(&world, &token).await;
        assert!(world.instance.revoke(&token));
        world.clock.advance(Duration::from_secs(59));
        facts(&world, &token).await;
        world.clock.advance(Duration::from_secs(1));
        expect_401(&call(&world, &token, "facts").await);
        // A development instance may verify ten new tokens in ten seconds.
        world.clock.advance(Duration::from_secs(10));
    }
}

#[actix_web::test]
async fn an_unknown_expired_or_foreign_opaque_token_is_401() {
    let world = World::of(OWN, all_kinds).await;
    let mint = |request: TokenRequest| world.mint(&request.opaque());
    let elsewhere = "https://other.example.com/mcp";
    for token in [
        "oat_unknown".to_owned(),
        "mt_unknown".to_owned(),
        "ak_unknown".to_owned(),
        mint(TokenRequest::oauth("ada").expires_in(-1)),
        mint(TokenRequest::m2m("billing").expires_in(-1)),
        mint(TokenRequest::api_key("ada").expires_in(-1)),
        mint(TokenRequest::oauth("ada").aud(elsewhere)),
        // The text of an API key is presented as another kind of token.
        world
            .mint(&TokenRequest::api_key("ada"))
            .replacen("ak_", "oat_", 1),
    ] {
        expect_401(&call(&world, &token, "facts").await);
    }
    world.expect_runs(0);
    let here = mint(TokenRequest::oauth("ada").aud(world.url()));
    facts(&world, &here).await;
}

#[actix_web::test]
async fn off_loopback_an_opaque_token_must_name_this_server() {
    let url = "https://mcp.example.com/mcp";
    let world = World::of(OWN, |builder| builder.url(url).allowed_hosts(["127.0.0.1"])).await;
    for (request, status) in [
        (TokenRequest::oauth("ada").opaque(), 401),
        (TokenRequest::oauth("ada").aud(url).opaque(), 200),
        (
            TokenRequest::oauth("ada")
                .aud("https://mcp.example.com")
                .opaque(),
            401,
        ),
    ] {
        let reply = call(&world, &world.mint(&request), "facts").await;
        reply.expect_status(status);
    }
}

#[actix_web::test]
async fn opaque_tokens_need_a_listed_client_too() {
    let world = World::of(OWN, |builder| builder.allowed_clients(["client_a"])).await;
    for (client, status) in [("client_a", 200), ("client_b", 401)] {
        let token = world.mint(&TokenRequest::oauth("ada").client_id(client).opaque());
        call(&world, &token, "facts").await.expect_status(status);
    }
}

#[actix_web::test]
async fn each_unusable_response_of_clerk_has_one_status() {
    let world = World::of(OWN, |builder| builder).await;
    let known = world.mint(&TokenRequest::oauth("ada").opaque());
    facts(&world, &known).await;
    for (fault, status, wait) in [
        (Fault::status(401), 500, None),
        (Fault::status(404), 401, None),
        (Fault::status(400), 503, Some("1")),
        (Fault::status(403), 503, Some("1")),
        (Fault::status(410), 503, Some("1")),
        (Fault::status(422), 503, Some("1")),
        (Fault::status(500), 503, Some("1")),
        (Fault::status(302), 503, Some("1")),
        (Fault::status(429).retry_after(7), 503, Some("7")),
        (Fault::status(429).retry_after(86_400), 503, Some("60")),
    ] {
        world
            .instance
            .add_fault(fault.clone().at("/oauth_applications"));
        let token = world.mint(&TokenRequest::oauth("ada").opaque());
        let reply = call(&world, &token, "facts").await;
        reply.expect_status(status);
        assert_eq!(reply.header("retry-after"), wait, "{fault:?}");
        match status {
            401 => expect_401(&reply),
            500 => assert_eq!(reply.json()["error"], "server_error"),
            _ => expect_503(&reply),
        }
        // A token that was verified a moment ago needs no response of Clerk.
        facts(&world, &known).await;
        world.instance.clear_faults();
        world.clock.advance(Duration::from_secs(60));
        facts(&world, &known).await;
    }
    world.expect_runs(21);
}

#[actix_web::test]
async fn while_clerk_is_down_new_tokens_are_refused_and_afterwards_accepted_without_a_restart() {
    let world = World::of(OWN, |builder| builder).await;
    let jwt = world.linus();
    world.instance.fail_with(Some(503));
    for _second in 0..60 {
        let opaque = world.mint(&TokenRequest::oauth("linus").opaque());
        expect_503(&call(&world, &opaque, "facts").await);
        facts(&world, &jwt).await;
        world.clock.advance(Duration::from_secs(1));
    }
    // Five failures opened the circuit breaker. Since then it lets one request at a time pass.
    let asked = world.instance.requests_to("/oauth_applications");
    assert!((5..20).contains(&asked), "{asked} questions");
    world.instance.fail_with(None);
    world.clock.advance(Duration::from_secs(8));
    let opaque = world.mint(&TokenRequest::oauth("linus").opaque());
    facts(&world, &opaque).await;
}

#[actix_web::test]
async fn memberships_and_tokens_have_separate_circuit_breakers() {
    let world = World::of(OWN, |builder| builder).await;
    world
        .instance
        .add_fault(Fault::status(500).at("/v1/organizations"));
    for _ in 0..6 {
        expect_503(&call(&world, &world.ada(), "organization").await);
    }
    let opaque = world.mint(&TokenRequest::oauth("linus").opaque());
    facts(&world, &opaque).await;
    world.instance.clear_faults();
    world
        .instance
        .add_fault(Fault::status(500).at("/oauth_applications"));
    world.clock.advance(Duration::from_secs(10));
    for _ in 0..6 {
        let opaque = world.mint(&TokenRequest::oauth("linus").opaque());
        expect_503(&call(&world, &opaque, "facts").await);
    }
    call(&world, &world.ada(), "organization")
        .await
        .expect_text("org_acme org:admin");
}

#[actix_web::test]
async fn a_banned_locked_or_deleted_user_is_401_within_a_minute() {
    let world = World::of(OWN, |builder| {
        all_kinds(builder)
            .session_tokens(mcp_auth::AuthorizedParties::any())
            .check_users()
    })
    .await;
    let tokens = || {
        let kinds = [
            TokenRequest::oauth("ada"),
            TokenRequest::oauth("ada").opaque(),
            TokenRequest::session("ada"),
            TokenRequest::api_key("ada"),
        ];
        kinds.map(|request| world.mint(&request))
    };
    let status = async |expected| {
        for token in tokens() {
            call(&world, &token, "facts").await.expect_status(expected);
        }
        world.clock.advance(Duration::from_secs(60));
    };
    status(200).await;
    world.instance.set_banned("ada", true);
    status(401).await;
    world.instance.set_banned("ada", false);
    status(200).await;
    world.instance.set_locked("ada", true);
    status(401).await;
    world.instance.set_locked("ada", false);
    status(200).await;
    world.instance.add_fault(Fault::status(500).at("/v1/users"));
    status(503).await;
    world.instance.clear_faults();
    world.instance.add_fault(Fault::status(401).at("/v1/users"));
    status(500).await;
    world.instance.clear_faults();
    status(200).await;
    world.instance.delete_user("grace");
    let grace = TokenRequest::oauth("grace");
    assert!(
        world
            .instance
            .mint(&grace, world.clock.unix_seconds())
            .is_err()
    );
    // Neither a machine nor an organization is a user.
    let asked = world.instance.requests_to("/v1/users");
    for request in [
        TokenRequest::m2m("billing"),
        TokenRequest::org_api_key("acme"),
    ] {
        facts(&world, &world.mint(&request)).await;
    }
    assert_eq!(world.instance.requests_to("/v1/users"), asked);
}

#[actix_web::test]
async fn a_user_who_was_deleted_is_401() {
    let world = World::of(OWN, |builder| builder.check_users()).await;
    let linus = world.linus();
    facts(&world, &linus).await;
    world.instance.delete_user("linus");
    facts(&world, &linus).await;
    world.clock.advance(Duration::from_secs(60));
    expect_401(&call(&world, &linus, "facts").await);
}

#[actix_web::test]
async fn a_profile_shows_what_the_scopes_cover_and_is_looked_up_once() {
    let world = World::of(OWN, |builder| {
        builder.session_tokens(mcp_auth::AuthorizedParties::any())
    })
    .await;
    let all = r#"{"email":"ada@example.com","email_verified":true,"name":"Ada Lovelace","picture":"https://img.example.com/default.png","username":"ada"}"#;
    let email = r#"{"email":"ada@example.com","email_verified":true,"name":null,"picture":null,"username":null}"#;
    let name = r#"{"email":null,"email_verified":null,"name":"Ada Lovelace","picture":"https://img.example.com/default.png","username":"ada"}"#;
    let none = r#"{"email":null,"email_verified":null,"name":null,"picture":null,"username":null}"#;
    for (request, shown) in [
        (TokenRequest::oauth("ada"), all),
        (TokenRequest::oauth("ada").opaque(), all),
        (TokenRequest::oauth("ada").scopes(["email"]), email),
        (
            TokenRequest::oauth("ada").scopes(["profile"]).opaque(),
            name,
        ),
        (TokenRequest::oauth("ada").scopes(["openid"]), none),
        (TokenRequest::session("ada"), all),
    ] {
        let token = world.mint(&request);
        for _ in 0..2 {
            call(&world, &token, "profile").await.expect_text(shown);
        }
    }
    assert_eq!(world.instance.requests_to("/v1/users"), 1);
    assert_eq!(world.instance.requests_to("/oauth/userinfo"), 0);
}

#[actix_web::test]
async fn a_profile_that_cannot_be_looked_up_is_an_error() {
    let world = World::of(OWN, |builder| builder).await;
    world.instance.add_fault(Fault::status(500).at("/v1/users"));
    let reply = call(&world, &world.ada(), "profile").await;
    reply.expect_tool_error("The caller's profile cannot be loaded at the moment");
}

#[actix_web::test]
async fn without_a_secret_key_the_profile_comes_from_userinfo() {
    let without_secret =
        |clerk: &clerk_emulator::Emulator| mcp_auth::server!().frontend_api_url(clerk.url());
    let world = World::built(emulator().await, OWN, |builder| builder, without_secret).await;
    let token = world.mint(&TokenRequest::oauth("ada").scopes(["email"]));
    for _ in 0..2 {
        let reply = call(&world, &token, "profile").await;
        reply.expect_text(
            r#"{"email":"ada@example.com","email_verified":true,"name":null,"picture":null,"username":null}"#,
        );
    }
    assert_eq!(world.instance.requests_to("/oauth/userinfo"), 1);
    assert_eq!(world.instance.requests_to("/v1/users"), 0);
    expect_401(
        &call(
            &world,
            &world.mint(&TokenRequest::oauth("ada").opaque()),
            "facts",
        )
        .await,
    );
}

#[actix_web::test]
async fn t07_junk_tokens_use_up_only_the_budget_of_their_network() {
    let world = World::of(OWN, all_kinds).await;
    let known = world.mint(&TokenRequest::oauth("ada").opaque());
    facts(&world, &known).await;
    world.clock.advance(Duration::from_secs(10));
    let asked = || {
        let paths = ["/oauth_applications", "/m2m_tokens", "/api_keys"];
        paths
            .map(|path| world.instance.requests_to(path))
            .iter()
            .sum::<usize>()
    };
    let before = asked();
    let mut statuses = (0, 0);
    for index in 0..200 {
        let prefix = ["oat", "mt", "ak"][index % 3];
        let junk = format!("{prefix}_junk{index}");
        let reply = from(&world, &junk, "127.0.1.1").await;
        match reply.status {
            401 => statuses.0 += 1,
            503 => {
                expect_503(&reply);
                let why = &reply.json()["error_description"];
                assert_eq!(why, "Too many new opaque tokens");
                statuses.1 += 1;
            }
            other => panic!("{other}"),
        }
        // A caller with a cached token is served from every network.
        if index % 50 == 0 {
            from(&world, &known, "127.0.1.1").await.expect_status(200);
        }
    }
    assert_eq!((statuses, asked() - before), ((10, 190), 10));
    // The network of the junk tokens gets one verification a second, so others keep their share.
    world.clock.advance(Duration::from_secs(11));
    for second in 0..5 {
        let junk = format!("oat_more{second}");
        from(&world, &junk, "127.0.1.2").await.expect_status(401);
    }
    let honest = world.mint(&TokenRequest::oauth("linus").opaque());
    from(&world, &honest, "127.0.2.1").await.expect_status(200);
}

#[actix_web::test]
async fn t11_trace_and_baggage_headers_are_not_sent_to_clerk() {
    let clerk = emulator().await;
    let keys = clerk.instance().jwks();
    let api = Stub::start(move |path, _| match path {
        "/v1/jwks" => Answer::json(keys.clone()),
        path => about_ada(path),
    });
    let url = api.url().to_owned();
    let world = World::built(
        clerk,
        OWN,
        |builder| builder.check_users(),
        |clerk| builder(clerk).api_url(url),
    )
    .await;
    let opaque = world.mint(&TokenRequest::oauth("ada").opaque());
    for token in [world.ada(), opaque] {
        for tool in ["organization", "profile"] {
            let ask = world
                .call(Era::Modern, tool, json!({}))
                .bearer(&token)
                .header(
                    "traceparent",
                    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                )
                .header("tracestate", "vendor=inbound")
                .header("baggage", "user=inbound,secret=hunter2")
                .header("x-request-id", "inbound")
                .header("cookie", "__session=inbound");
            ask.send().await;
        }
    }
    let asked = api.requests();
    for path in ["/v1/organizations", "/v1/users"] {
        assert!(
            asked.iter().any(|head| head.contains(path)),
            "{path} in {asked:?}"
        );
    }
    assert!(
        asked
            .iter()
            .any(|head| head.starts_with("POST /oauth_applications"))
    );
    for head in asked {
        let head = head.to_lowercase();
        for inbound in [
            "traceparent",
            "tracestate",
            "baggage",
            "cookie",
            "inbound",
            "hunter2",
        ] {
            assert!(!head.contains(inbound), "{inbound} in {head}");
        }
        assert!(!head.contains("oat_"), "a token in the head of {head}");
    }
}

#[actix_web::test]
async fn t20_a_verification_that_misbehaves_is_503_and_neither_token_nor_key_goes_elsewhere() {
    let trap = Stub::start(|_, _| Answer::json("{}"));
    let location = format!("Location: {}/stolen", trap.url());
    for (what, answer) in [
        (
            "a redirect",
            Box::new(move || Answer::Now(307, vec![location.clone()], Vec::new()))
                as Box<dyn Fn() -> Answer + Send + Sync>,
        ),
        ("no end", Box::new(|| Answer::Endless)),
        ("no JSON", Box::new(|| Answer::json("<html>"))),
        (
            "nothing that was asked for",
            Box::new(|| Answer::json("{}")),
        ),
        (
            "another kind of object",
            Box::new(|| {
                Answer::json(
                    json!({
                        "object": "api_key", "subject": "user_ada", "revoked": false,
                        "expired": false, "expiration": null, "scopes": [],
                    })
                    .to_string(),
                )
            }),
        ),
    ] {
        let clerk = emulator().await;
        let keys = clerk.instance().jwks();
        let api = Stub::start(move |path, _| match path {
            "/oauth_applications/access_tokens/verify" => answer(),
            "/v1/jwks" => Answer::json(keys.clone()),
            _ => Answer::status(500),
        });
        let url = api.url().to_owned();
        let world = World::built(
            clerk,
            TOOLS,
            |server| server,
            |clerk| builder(clerk).api_url(url).secret_key("sk_test_hunter2"),
        )
        .await;
        let token = world.mint(&TokenRequest::oauth("ada").opaque());
        let reply = call(&world, &token, "who_am_i").await;
        reply.expect_status(503);
        world.expect_runs(0);
        let asked = api.requests();
        let asked = asked
            .iter()
            .filter(|head| head.starts_with("POST "))
            .count();
        assert_eq!(asked, 1, "{what}");
        assert!(
            api.written() < 32 * 1024 * 1024,
            "{what}: {} bytes",
            api.written()
        );
    }
    assert_eq!(trap.requests(), Vec::<String>::new());
}

#[actix_web::test]
async fn t20_userinfo_that_misbehaves_is_503_and_the_callers_token_goes_nowhere_else() {
    let trap = Stub::start(|_, _| Answer::json("{}"));
    let location = format!("Location: {}/stolen", trap.url());
    let verified = |subject: &str| {
        json!({
            "object": "clerk_idp_oauth_access_token", "client_id": "c", "subject": subject,
            "scopes": ["user:org:read"], "revoked": false, "expired": false, "expiration": null,
        })
        .to_string()
    };
    let verified = verified("user_ada");
    for (what, answer) in [
        (
            "a redirect",
            Box::new(move || Answer::Now(302, vec![location.clone()], Vec::new()))
                as Box<dyn Fn() -> Answer + Send + Sync>,
        ),
        ("no end", Box::new(|| Answer::Endless)),
        ("no JSON", Box::new(|| Answer::json("[]"))),
        (
            "somebody else",
            Box::new(|| Answer::json(r#"{"sub":"user_eve","org_id":"org_acme"}"#)),
        ),
        (
            "nobody",
            Box::new(|| Answer::json(r#"{"org_id":"org_acme"}"#)),
        ),
    ] {
        let verified = verified.clone();
        let local = emulator().await;
        let keys = local.instance().jwks();
        let clerk = Stub::start(move |path, url| match path {
            "/v1/jwks" | "/.well-known/jwks.json" => Answer::json(keys.clone()),
            "/oauth/userinfo" => answer(),
            "/oauth_applications/access_tokens/verify" => Answer::json(verified.clone()),
            "/.well-known/oauth-authorization-server" => Answer::json(Stub::metadata(url)),
            _ => Answer::status(500),
        });
        let url = clerk.url().to_owned();
        let world = World::built(
            local,
            TOOLS,
            |server| server,
            |_| {
                mcp_auth::server!()
                    .frontend_api_url(&url)
                    .api_url(&url)
                    .secret_key("sk_test_hunter2")
            },
        )
        .await;
        let reply = call(&world, "oat_hunter2", "which_org").await;
        reply.expect_status(503);
        world.expect_runs(0);
        let memberships = clerk.requests_to("/v1/organizations/");
        assert_eq!(memberships, 0, "{what}: nobody's membership was asked for");
        let asked = clerk.requests();
        let told: Vec<_> = asked
            .iter()
            .filter(|head| head.contains("oat_hunter2"))
            .collect();
        assert_eq!(told.len(), 1, "{what}");
        assert!(told[0].starts_with("GET /oauth/userinfo "), "{}", told[0]);
    }
    assert_eq!(trap.requests(), Vec::<String>::new());
}

/// Accepts every opaque kind.
fn all_kinds(builder: mcp_auth::ServerBuilder) -> mcp_auth::ServerBuilder {
    builder
        .m2m_tokens()
        .machine_id("mch_mcp")
        .api_keys(ApiKeyScopes::any_key())
}

fn opaque_kinds() -> [TokenRequest; 4] {
    [
        TokenRequest::oauth("ada").opaque(),
        TokenRequest::m2m("billing"),
        TokenRequest::api_key("ada"),
        TokenRequest::org_api_key("acme"),
    ]
}

#[actix_web::test]
async fn a_peer_that_fails_too_often_does_not_block_tokens_that_were_accepted_before() {
    let world = World::of(OWN, |builder| {
        builder.check_users().failed_authentications_per_minute(3)
    })
    .await;
    let opaque = world.mint(&TokenRequest::oauth("ada").opaque());
    let tokens = [opaque, world.ada()];
    for token in &tokens {
        call(&world, token, "facts").await.expect_status(200);
    }
    // The cached token and user have expired.
    world.clock.advance(Duration::from_secs(60));
    for token in ["a", "b", "c"] {
        expect_401(&call(&world, token, "facts").await);
    }
    let new = world.mint(&TokenRequest::oauth("ada").opaque());
    call(&world, &new, "facts").await.expect_status(429);
    for token in &tokens {
        call(&world, token, "facts").await.expect_status(200);
    }
}

async fn call(world: &World, token: &str, tool: &str) -> Reply {
    world
        .call(Era::Modern, tool, json!({}))
        .bearer(token)
        .send()
        .await
}

async fn from(world: &World, token: &str, address: &str) -> Reply {
    let ask = world.call(Era::Modern, "facts", json!({}));
    ask.bearer(token).from(address).send().await
}

async fn facts(world: &World, token: &str) -> Value {
    call(world, token, "facts").await.result()["structuredContent"].clone()
}

#[track_caller]
fn expect_401(reply: &Reply) {
    reply.expect_status(401);
    assert_eq!(reply.json()["error"], "invalid_token");
    assert!(reply.challenge().contains(r#"error="invalid_token""#));
}

/// The denial of a tool that takes `&Profile`, for a machine.
const USER_REQUIRED: &str = "Forbidden: user required";

#[track_caller]
fn expect_denied(reply: &Reply, text: &str) {
    assert_eq!(reply.text(), text);
    assert_eq!(reply.result()["isError"], true);
}

#[track_caller]
fn expect_503(reply: &Reply) {
    let wait = reply.expect_unavailable();
    assert!((1..=60).contains(&wait), "{wait}");
}

/// The responses of the Backend API about a token of `ada`, about her and about her memberships.
fn about_ada(path: &str) -> Answer {
    let answer = match path {
        "/oauth_applications/access_tokens/verify" => json!({
            "object": "clerk_idp_oauth_access_token", "client_id": "c", "subject": "user_ada",
            "scopes": ["profile", "email"], "revoked": false, "expired": false, "expiration": null,
        }),
        path if path.starts_with("/v1/users/") => {
            json!({ "id": "user_ada", "banned": false, "locked": false })
        }
        path if path.starts_with("/v1/organizations/") => json!({ "data": [] }),
        _ => return Answer::status(500),
    };
    Answer::json(answer.to_string())
}
