//! Authorization of tools: which callers may call them, and how long a decision is cached.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::{AudiencePolicy, AuthorizedParties, ServerBuilder};
use serde_json::json;

use crate::parked::Gate;
use crate::reply::Reply;
use crate::support::{
    ERAS, Era, ORGANIZATION_REQUIRED, PERMISSION_DENIED, World, emulator, eventually,
};

mod personal {
    use std::time::UNIX_EPOCH;

    use mcp_auth::{Caller, Json, Org, State, mcp_tool};
    use schemars::JsonSchema;
    use serde::Serialize;

    use crate::support::Runs;

    #[derive(Serialize, JsonSchema)]
    struct Facts {
        user: Option<String>,
        client: Option<String>,
        kind: String,
        scopes: Vec<String>,
        org_id: Option<String>,
        session: Option<String>,
        expires: u64,
        debug: String,
    }

    #[derive(Serialize, JsonSchema)]
    struct Standing {
        id: String,
        slug: Option<String>,
        role: Option<String>,
        permissions: Option<Vec<String>>,
    }

    /// Tell what is known of the caller.
    #[mcp_tool]
    async fn facts(caller: &Caller, runs: &State<Runs>) -> Json<Facts> {
        runs.count();
        Json(Facts {
            user: caller.user_id().map(str::to_owned),
            client: caller.client_id().map(str::to_owned),
            kind: format!("{:?}", caller.token_kind()),
            scopes: caller.scopes().to_vec(),
            org_id: caller.org_id().map(str::to_owned),
            session: caller.session().map(|session| session.id().to_owned()),
            expires: caller
                .expires_at()
                .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
                .unwrap()
                .as_secs(),
            debug: format!("{caller:?}"),
        })
    }

    /// Tell what the caller is in the organization.
    #[mcp_tool(require_org)]
    async fn standing(org: &Org, runs: &State<Runs>) -> Json<Standing> {
        runs.count();
        Json(Standing {
            id: org.id().to_owned(),
            slug: org.slug().map(str::to_owned),
            role: org.role().map(str::to_owned),
            permissions: org.permissions().map(<[_]>::to_vec),
        })
    }

    /// Tell who is there, if anybody is.
    #[mcp_tool(public)]
    async fn anybody(caller: Option<&Caller>, org: Option<&Org>, runs: &State<Runs>) -> String {
        runs.count();
        let caller = caller.map_or("nobody", |caller| caller.subject());
        format!("{caller} of {}", org.map_or("nothing", |org| org.id()))
    }
}

const PERSONAL: &str = "protocol::authorization::personal";

async fn call(world: &World, token: &str, tool: &str) -> Reply {
    let arguments = match tool {
        "delete_document" => json!({ "document_id": "d1" }),
        _ => json!({}),
    };
    world
        .call(Era::Modern, tool, arguments)
        .bearer(token)
        .send()
        .await
}

#[actix_web::test]
async fn a_permission_decides_and_ends_with_the_membership() {
    for era in ERAS {
        let world = World::new().await;
        let call = |token: &str| {
            let arguments = json!({ "document_id": "d1" });
            world
                .call(era, "delete_document", arguments)
                .bearer(token)
                .send()
        };
        let (ada, grace, linus) = (world.ada(), world.grace(), world.linus());
        call(&ada)
            .await
            .expect_text("Document d1 of org_acme deleted");
        world.expect_runs(1);
        let denied = call(&grace).await;
        assert_eq!(denied.text(), PERMISSION_DENIED);
        assert_eq!(denied.result()["isError"], true);
        let denied = call(&linus).await;
        assert_eq!(denied.text(), ORGANIZATION_REQUIRED);
        assert_eq!(denied.result()["isError"], true);
        world.expect_runs(1);

        assert!(world.instance.remove_member("ada", "acme"));
        world.clock.advance(Duration::from_secs(29));
        call(&ada)
            .await
            .expect_text("Document d1 of org_acme deleted");
        world.clock.advance(Duration::from_secs(1));
        let denied = call(&ada).await;
        assert_eq!(denied.text(), ORGANIZATION_REQUIRED);
        assert_eq!(denied.result()["isError"], true);
        world.expect_runs(2);
    }
}

#[actix_web::test]
async fn a_changed_role_counts_after_thirty_seconds_and_a_new_member_after_five() {
    let world = World::new().await;
    let grace = world.grace();
    call(&world, &grace, "rename_org").await.expect_status(200);
    world.expect_runs(0);
    world
        .instance
        .set_member("grace", "acme", "admin", &["org:documents:delete"]);
    call(&world, &grace, "rename_org").await;
    world.expect_runs(0);
    world.clock.advance(Duration::from_secs(30));
    call(&world, &grace, "rename_org")
        .await
        .expect_text("renamed");
    call(&world, &grace, "delete_document")
        .await
        .expect_text("Document d1 of org_acme deleted");

    world.instance.set_member("linus", "acme", "admin", &[]);
    let linus = world.mint(&TokenRequest::oauth("linus").org("acme"));
    world.instance.remove_member("linus", "acme");
    assert_eq!(
        call(&world, &linus, "which_org").await.text(),
        ORGANIZATION_REQUIRED
    );
    world.instance.set_member("linus", "acme", "admin", &[]);
    assert_eq!(
        call(&world, &linus, "which_org").await.text(),
        ORGANIZATION_REQUIRED
    );
    world.clock.advance(Duration::from_secs(5));
    call(&world, &linus, "which_org")
        .await
        .expect_text("org_acme");
}

#[actix_web::test]
async fn memberships_are_looked_up_once_and_only_if_something_needs_them() {
    let world = World::new().await;
    let looked_up = || world.instance.requests_to("/v1/organizations");
    let ada = world.ada();
    call(&world, &ada, "who_am_i").await.expect_text("user_ada");
    call(&world, &ada, "upload").await.expect_status(403);
    assert_eq!(looked_up(), 0);
    for tool in [
        "which_org",
        "rename_org",
        "edit_document",
        "delete_document",
    ] {
        call(&world, &ada, tool).await.expect_status(200);
    }
    world
        .list(Era::Modern)
        .bearer(&ada)
        .send()
        .await
        .expect_status(200);
    assert_eq!(looked_up(), 1);
    // A second token of the user causes no look-up.
    let other = world.mint(
        &TokenRequest::oauth("ada")
            .org("acme")
            .client_id("client_other"),
    );
    call(&world, &other, "which_org")
        .await
        .expect_text("org_acme");
    assert_eq!(looked_up(), 1);
    call(&world, &world.grace(), "which_org")
        .await
        .expect_text("org_acme");
    assert_eq!(looked_up(), 2);
}

#[actix_web::test]
async fn a_tool_sees_the_caller_of_the_token() {
    let world = World::of(PERSONAL, |builder| {
        builder.session_tokens(AuthorizedParties::any())
    })
    .await;
    let scopes = ["profile", "email", "files:write"];
    let request = TokenRequest::oauth("ada")
        .org("acme")
        .scopes(scopes)
        .client_id("client_7");
    let token = world.mint(&request.expires_in(600));
    let facts = call(&world, &token, "facts").await.result()["structuredContent"].take();
    let debug = facts["debug"].as_str().unwrap();
    assert!(!debug.contains(&token) && !debug.contains('@'), "{debug}");
    assert_eq!(facts["user"], "user_ada");
    assert_eq!(facts["client"], "client_7");
    assert_eq!(facts["kind"], "OAuth");
    assert_eq!(
        facts["scopes"],
        json!(["profile", "email", "files:write", "user:org:read"])
    );
    assert_eq!(facts["org_id"], "org_acme");
    assert_eq!(facts["session"], json!(null));
    assert_eq!(facts["expires"], world.clock.unix_seconds() + 600);

    let token = world.mint(&TokenRequest::session("ada").org("acme"));
    let facts = call(&world, &token, "facts").await.result()["structuredContent"].take();
    assert_eq!(
        (&facts["user"], &facts["kind"]),
        (&json!("user_ada"), &json!("Session"))
    );
    assert_eq!(facts["client"], json!(null));
    assert!(facts["session"].as_str().unwrap().starts_with("sess_"));
}

#[actix_web::test]
async fn a_tool_sees_the_membership_of_the_directory() {
    let world = World::of(PERSONAL, |builder| builder).await;
    let standing = call(&world, &world.grace(), "standing").await.result();
    assert_eq!(
        standing["structuredContent"],
        json!({
            "id": "org_acme",
            "slug": "acme",
            "role": "org:member",
            "permissions": ["org:documents:read"],
        })
    );
}

#[actix_web::test]
async fn a_public_tool_sees_the_caller_if_there_is_one() {
    let world = World::of(PERSONAL, |builder| builder).await;
    for era in ERAS {
        let ask = world.call(era, "anybody", json!({}));
        ask.clone().send().await.expect_text("nobody of nothing");
        ask.clone()
            .bearer(&world.linus())
            .send()
            .await
            .expect_text("user_linus of nothing");
        ask.bearer(&world.ada())
            .send()
            .await
            .expect_text("user_ada of org_acme");
    }
}

#[actix_web::test]
async fn a_cached_token_expires() {
    let world = World::new().await;
    let token = world.mint(&TokenRequest::oauth("ada").org("acme").expires_in(60));
    call(&world, &token, "who_am_i")
        .await
        .expect_text("user_ada");
    // The leeway is five seconds.
    world.clock.advance(Duration::from_secs(64));
    call(&world, &token, "who_am_i")
        .await
        .expect_text("user_ada");
    world.clock.advance(Duration::from_secs(1));
    let reply = call(&world, &token, "who_am_i").await;
    assert_eq!(
        reply.expect_status(401).challenge(),
        world.invalid_token_challenge()
    );
    world.expect_runs(2);
}

#[actix_web::test]
async fn session_tokens_are_accepted_only_if_asked_for_and_of_listed_parties() {
    let session = |azp: &str| TokenRequest::session("ada").org("acme").azp(azp);
    let app = "https://app.example";
    for (settings, accepted) in [
        (
            (|b| b) as fn(ServerBuilder) -> ServerBuilder,
            [false, false],
        ),
        (
            |b| b.session_tokens(AuthorizedParties::only(["https://app.example"])),
            [true, false],
        ),
        (
            |b| b.session_tokens(AuthorizedParties::only(["https://app.example:8443"])),
            [false, false],
        ),
        (|b| b.session_tokens(AuthorizedParties::any()), [true, true]),
    ] {
        let world = World::with(settings).await;
        for (azp, accepted) in [app, "https://evil.example"].into_iter().zip(accepted) {
            let reply = call(&world, &world.mint(&session(azp)), "who_am_i").await;
            assert_eq!(reply.status == 200, accepted, "{azp}");
            assert_eq!(reply.status == 401, !accepted, "{azp}");
        }
        call(&world, &world.ada(), "who_am_i")
            .await
            .expect_text("user_ada");
    }
}

#[actix_web::test]
async fn a_session_token_brings_its_permissions_and_no_look_up() {
    let world = World::with(|builder| builder.session_tokens(AuthorizedParties::any())).await;
    let kinds: [fn(&str) -> TokenRequest; 2] = [
        |user| TokenRequest::session(user),
        |user| TokenRequest::session_v1(user),
    ];
    for request in kinds {
        let ada = world.mint(&request("ada").org("acme"));
        call(&world, &ada, "delete_document")
            .await
            .expect_text("Document d1 of org_acme deleted");
        call(&world, &ada, "rename_org")
            .await
            .expect_text("renamed");
        let grace = world.mint(&request("grace").org("acme"));
        assert_eq!(
            call(&world, &grace, "delete_document").await.text(),
            PERMISSION_DENIED
        );
        let linus = world.mint(&request("linus"));
        assert_eq!(
            call(&world, &linus, "which_org").await.text(),
            ORGANIZATION_REQUIRED
        );
    }
    assert_eq!(world.instance.requests_to("/v1/organizations"), 0);
    world.expect_runs(4);
}

#[actix_web::test]
async fn an_invalid_session_token_is_refused() {
    let world = World::with(|builder| builder.session_tokens(AuthorizedParties::any())).await;
    let request = TokenRequest::session("ada").org("acme");
    let now = world.clock.unix_seconds();
    for (name, value) in [
        ("sid", json!(null)),
        ("sid", json!("")),
        ("sts", json!("pending")),
    ] {
        let (header, mut claims) = world.instance.token_parts(&request, now).unwrap();
        claims[name] = value.clone();
        let token = world.instance.mint_claims(header, claims).unwrap();
        let reply = call(&world, &token, "who_am_i").await;
        assert_eq!(
            reply.expect_status(401).challenge(),
            world.invalid_token_challenge()
        );
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn only_allowed_clients_are_accepted() {
    let world = World::with(|builder| builder.allowed_clients(["client_a", "client_b"])).await;
    for (client, accepted) in [
        ("client_a", true),
        ("client_b", true),
        ("client_A", false),
        ("client_c", false),
    ] {
        let token = world.mint(&TokenRequest::oauth("ada").client_id(client));
        let status = call(&world, &token, "who_am_i").await.status;
        assert_eq!(status, if accepted { 200 } else { 401 }, "{client}");
    }
    world.expect_runs(2);
}

#[actix_web::test]
async fn the_audience_policy_decides_about_tokens_with_another_audience_or_none() {
    let none = |request: TokenRequest| request;
    for (settings, accepted) in [
        // The audiences are: the server's URL, its other names, a list with it, none, another, a
        // list of others.
        (
            (|b| b) as fn(ServerBuilder) -> ServerBuilder,
            [true, true, true, true, false, false],
        ),
        (
            |b| b.audience_policy(AudiencePolicy::IfPresent),
            [true, true, true, true, false, false],
        ),
        (
            |b| b.audience_policy(AudiencePolicy::Require),
            [true, true, true, false, false, false],
        ),
        (ServerBuilder::dangerous_ignore_audience, [true; 6]),
        (
            |b| b.audience("https://files.example"),
            [false, false, false, true, false, false],
        ),
    ] {
        let world = World::with(settings).await;
        let own = world.url();
        let port = world.server.address.port();
        let other = "https://other.example/mcp".to_owned();
        let aud = |aud: Vec<String>| move |request: TokenRequest| request.aud(aud_of(aud));
        let changes: [Box<dyn FnOnce(TokenRequest) -> TokenRequest>; 6] = [
            Box::new(aud(vec![own.clone()])),
            Box::new(aud(vec![format!("http://localhost:{port}/mcp")])),
            Box::new(aud(vec![other.clone(), own.clone()])),
            Box::new(none),
            Box::new(aud(vec![format!("{own}/")])),
            Box::new(aud(vec![other, own.to_uppercase()])),
        ];
        for (index, (change, accepted)) in changes.into_iter().zip(accepted).enumerate() {
            let token = world.mint(&change(TokenRequest::oauth("ada")));
            let status = call(&world, &token, "who_am_i").await.status;
            assert_eq!(status, if accepted { 200 } else { 401 }, "case {index}");
        }
    }
}

/// One resource as a text, several resources as a list.
fn aud_of(mut resources: Vec<String>) -> clerk_emulator::Audience {
    if resources.len() == 1 {
        resources.remove(0).into()
    } else {
        clerk_emulator::Audience::Many(resources)
    }
}

#[actix_web::test]
async fn a_named_audience_takes_the_place_of_the_url() {
    let world = World::with(|builder| builder.audience("https://files.example")).await;
    let token = world.mint(&TokenRequest::oauth("ada").aud("https://files.example"));
    call(&world, &token, "who_am_i")
        .await
        .expect_text("user_ada");
}

#[actix_web::test]
async fn the_organization_of_the_token_is_enough_where_it_is_trusted() {
    let world = World::with(ServerBuilder::dangerous_trust_token_org).await;
    let ada = world.ada();
    call(&world, &ada, "which_org")
        .await
        .expect_text("org_acme");
    assert_eq!(world.instance.requests_to("/v1/organizations"), 0);
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(60));
    call(&world, &ada, "which_org")
        .await
        .expect_text("org_acme");
    // A guard that needs more than the organization causes a look-up.
    assert_eq!(
        call(&world, &ada, "delete_document").await.text(),
        ORGANIZATION_REQUIRED
    );
    assert_eq!(
        call(&world, &ada, "rename_org").await.text(),
        ORGANIZATION_REQUIRED
    );
    assert_eq!(
        call(&world, &world.linus(), "which_org").await.text(),
        ORGANIZATION_REQUIRED
    );
    world.expect_runs(2);
}

#[actix_web::test]
async fn without_a_secret_key_only_the_id_of_an_organization_is_known() {
    let clerk = emulator().await;
    let world = offline_world(clerk, PERSONAL, |builder| builder).await;
    let standing = call(&world, &world.ada(), "standing").await.result();
    assert_eq!(
        standing["structuredContent"],
        json!({ "id": "org_acme", "slug": null, "role": null, "permissions": null })
    );
    assert_eq!(
        call(&world, &world.linus(), "standing").await.text(),
        ORGANIZATION_REQUIRED
    );
    assert_eq!(world.instance.requests_to("/v1/"), 0);
}

#[actix_web::test]
async fn unsatisfiable_guards_deny_every_caller_if_the_server_may_start() {
    let clerk = emulator().await;
    let world = offline_world(
        clerk,
        "protocol::tools",
        ServerBuilder::allow_unsatisfiable_guards,
    )
    .await;
    let ada = world.ada();
    assert_eq!(
        call(&world, &ada, "delete_document").await.text(),
        PERMISSION_DENIED
    );
    assert_eq!(
        call(&world, &ada, "rename_org").await.text(),
        "Forbidden: org:admin role required"
    );
    let tools = world.list(Era::Modern).bearer(&ada).send().await.tools();
    assert_eq!(tools, ["greet", "sync", "upload", "which_org", "who_am_i"]);
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_required_scope_is_enforced_on_every_request() {
    let world = World::with(|builder| builder.require_scope("docs").require_scope("team")).await;
    let text = "Forbidden: docs, team scopes required";
    let challenge = world.insufficient_scope_challenge("docs team user:org:read", text);
    for (method, era) in [
        ("tools/list", Era::Legacy),
        ("tools/list", Era::Modern),
        ("server/discover", Era::Modern),
        ("ping", Era::Legacy),
        ("no/such", Era::Modern),
    ] {
        let reply = world
            .ask(era, method, json!({}))
            .bearer(&world.ada())
            .send()
            .await;
        assert_eq!(reply.expect_status(403).challenge(), challenge);
        // Within five minutes there are only two challenges.
        world.clock.advance(Duration::from_secs(301));
    }
    let reply = call(&world, &world.ada(), "who_am_i").await;
    assert_eq!(reply.expect_status(403).challenge(), challenge);
    // A challenge names all scopes that the operation needs. There is no challenge if a new token
    // would not help.
    let reply = call(&world, &world.ada(), "upload").await;
    let all = world.insufficient_scope_challenge(
        "docs team files:write user:org:read",
        "Forbidden: files:write, docs, team scopes required",
    );
    assert_eq!(reply.expect_status(403).challenge(), all);
    assert_eq!(
        call(&world, &world.grace(), "delete_document").await.text(),
        PERMISSION_DENIED
    );
    world.expect_runs(0);

    let granted = TokenRequest::oauth("ada")
        .org("acme")
        .scopes(["team", "docs"]);
    call(&world, &world.mint(&granted), "who_am_i")
        .await
        .expect_text("user_ada");
    world
        .list(Era::Modern)
        .bearer(&world.mint(&granted))
        .send()
        .await
        .expect_status(200);
}

#[actix_web::test]
async fn the_list_has_the_tools_that_the_caller_can_call_or_get_a_token_for() {
    let world = World::with(|builder| builder.session_tokens(AuthorizedParties::any())).await;
    let all = [
        "delete_document",
        "edit_document",
        "greet",
        "purge",
        "rename_org",
        "sync",
        "upload",
        "which_org",
        "who_am_i",
    ];
    let granted = TokenRequest::oauth("linus").scopes(["user:org:read"]);
    let session = TokenRequest::session("ada").org("acme");
    for (token, tools) in [
        (world.ada(), &all[..]),
        // A new token can have more scopes, but not more permissions.
        (
            world.grace(),
            &["greet", "sync", "upload", "which_org", "who_am_i"],
        ),
        // A new token can have an organization ...
        (world.linus(), &all),
        // ... but not if the user was in none when the client asked for it.
        (
            world.mint(&granted),
            &["greet", "sync", "upload", "who_am_i"],
        ),
        (
            world.mint(&session),
            &[
                "delete_document",
                "edit_document",
                "greet",
                "rename_org",
                "which_org",
                "who_am_i",
            ],
        ),
    ] {
        for era in ERAS {
            let reply = world.list(era).bearer(&token).send().await;
            assert_eq!(reply.tools(), tools);
        }
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn the_list_follows_the_membership() {
    let world = World::new().await;
    let ada = world.ada();
    let tools = || async { world.list(Era::Modern).bearer(&ada).send().await.tools() };
    assert!(tools().await.contains(&"which_org".to_owned()));
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(tools().await, ["greet", "sync", "upload", "who_am_i"]);
    world
        .instance
        .set_member("ada", "acme", "member", &["org:documents:delete"]);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(
        tools().await,
        [
            "delete_document",
            "greet",
            "purge",
            "sync",
            "upload",
            "which_org",
            "who_am_i"
        ]
    );
}

#[actix_web::test]
async fn a_cached_list_follows_a_changed_role_within_thirty_seconds() {
    let world = World::new().await;
    let ada = world.ada();
    let sees = |tool: &'static str| {
        let ask = world.list(Era::Modern).bearer(&ada);
        async move { ask.send().await.tools().contains(&tool.to_owned()) }
    };
    assert!(sees("rename_org").await && sees("rename_org").await);
    world.instance.set_member("ada", "acme", "member", &[]);
    world.clock.advance(Duration::from_secs(29));
    assert!(sees("rename_org").await);
    world.clock.advance(Duration::from_secs(1));
    assert!(!sees("rename_org").await && !sees("rename_org").await);
    let admin = &["org:documents:delete"];
    world.instance.set_member("ada", "acme", "admin", admin);
    assert!(!sees("rename_org").await);
    world.clock.advance(Duration::from_secs(30));
    assert!(sees("rename_org").await);
}

#[actix_web::test]
async fn an_anonymous_list_shows_public_tools_and_other_calls_need_a_token() {
    let world = World::with(ServerBuilder::allow_anonymous_list).await;
    for era in ERAS {
        assert_eq!(world.list(era).send().await.tools(), ["greet"]);
        let reply = world.call(era, "who_am_i", json!({})).send().await;
        assert_eq!(
            reply.expect_status(401).challenge(),
            world.sign_in_challenge()
        );
        world
            .list(era)
            .bearer("bad")
            .send()
            .await
            .expect_status(401);
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn calls_beyond_the_limit_of_a_principal_are_503_and_other_principals_are_served() {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::parked", |builder| {
        builder.state(state).calls_in_flight(2)
    })
    .await;
    let wait = |token: &str| {
        world
            .call(Era::Modern, "wait", json!({}))
            .bearer(token)
            .send()
    };
    // Two tokens of one principal share the limit.
    let other_token = world.mint(&TokenRequest::oauth("ada").org("acme").expires_in(77));
    let first = tokio::spawn(wait(&world.ada()));
    let second = tokio::spawn(wait(&other_token));
    eventually("two calls wait", || gate.entered() == 2).await;
    assert_eq!(wait(&world.ada()).await.expect_unavailable(), 1);
    let legacy = world
        .call(Era::Legacy, "wait", json!({}))
        .bearer(&other_token);
    legacy.send().await.expect_unavailable();
    assert_eq!(gate.entered(), 2);
    world
        .list(Era::Modern)
        .bearer(&world.ada())
        .send()
        .await
        .expect_status(200);

    let other_client = world.mint(&TokenRequest::oauth("ada").org("acme").client_id("client_x"));
    let third = tokio::spawn(wait(&other_client));
    let fourth = tokio::spawn(wait(&world.grace()));
    eventually("strangers are let in", || gate.entered() == 4).await;
    gate.open();
    for call in [first, second, third, fourth] {
        call.await.unwrap().expect_text("passed");
    }
    wait(&world.ada()).await.expect_text("passed");
}

#[actix_web::test]
async fn failed_authentications_of_a_peer_are_limited_and_signed_tokens_are_not() {
    let world = World::with(|builder| builder.failed_authentications_per_minute(3)).await;
    let ada = world.ada();
    call(&world, &ada, "who_am_i").await.expect_text("user_ada");
    for token in ["a", "b", "c"] {
        call(&world, token, "who_am_i").await.expect_status(401);
    }
    let (signed, _) = ada.rsplit_once('.').unwrap();
    for token in ["d", &format!("{signed}.{:0>342}", 1)] {
        let reply = call(&world, token, "who_am_i").await;
        reply.expect_oauth_error(429, "too_many_requests", "Too many failed authentications");
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    call(&world, &ada, "who_am_i").await.expect_text("user_ada");
    call(&world, &world.grace(), "who_am_i")
        .await
        .expect_text("user_grace");
    world.list(Era::Modern).send().await.expect_status(401);
    // A refused token of the issuer gets a reason, so that its client signs in again.
    let hour_ago = world.clock.unix_seconds() - 25 * 3600;
    let expired = world.instance.mint(&TokenRequest::oauth("ada"), hour_ago);
    for _ in 0..4 {
        let expired = expired.as_ref().unwrap();
        call(&world, expired, "who_am_i").await.expect_status(401);
    }
    world.clock.advance(Duration::from_secs(60));
    call(&world, "e", "who_am_i").await.expect_status(401);
    world.expect_runs(3);
}

#[actix_web::test]
async fn tokens_that_the_issuer_made_and_that_are_refused_do_not_count_as_failures() {
    let world = World::with(|builder| builder.failed_authentications_per_minute(3)).await;
    let long_ago = world.clock.unix_seconds() - 25 * 3600;
    let expired = world.instance.mint(&TokenRequest::oauth("ada"), long_ago);
    let elsewhere = world.mint(&TokenRequest::oauth("ada").aud("https://other.example.com"));
    for token in [expired.unwrap(), elsewhere] {
        for _ in 0..5 {
            call(&world, &token, "who_am_i").await.expect_status(401);
        }
    }
    call(&world, "junk", "who_am_i").await.expect_status(401);
}

/// A server without a key to the Backend API.
async fn offline_world(
    clerk: clerk_emulator::Emulator,
    module: &str,
    settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> World {
    let issuer = clerk.url().to_owned();
    World::built(clerk, module, settings, |_| {
        mcp_auth::server!().frontend_api_url(issuer)
    })
    .await
}
