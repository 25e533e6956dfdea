//! Scopes that contain others.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::ServerBuilder;
use serde_json::json;

use crate::process::without_code;
use crate::reply::Reply;
use crate::support::{ERAS, Era, Runs, World};

mod asked {
    use mcp_auth::{Caller, State, mcp_tool};

    use crate::support::Runs;

    /// Read a file.
    #[mcp_tool(scope = "files:read")]
    async fn read(caller: &Caller, runs: &State<Runs>) -> String {
        runs.count();
        let held = |scope| (caller.has_scope(scope), caller.scopes().join(" "));
        format!("{:?} {:?}", held("files:read"), held("files:all"))
    }

    /// Copy a file.
    #[mcp_tool(scope = all("files:read", "files:write"))]
    async fn copy(runs: &State<Runs>) -> &'static str {
        runs.count();
        "copied"
    }
}

fn hierarchy(builder: ServerBuilder) -> ServerBuilder {
    builder
        .scope_implies("files:all", ["files:write"])
        .scope_implies("files:write", ["files:read"])
}

async fn world(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    World::of("protocol::scopes::asked", |builder| {
        settings(hierarchy(builder))
    })
    .await
}

async fn call(world: &World, era: Era, tool: &str, scopes: &[&str]) -> Reply {
    let token = world.mint(&TokenRequest::oauth("linus").scopes(scopes.iter().copied()));
    world.call(era, tool, json!({})).bearer(&token).send().await
}

#[actix_web::test]
async fn a_granted_scope_includes_the_scopes_that_it_contains() {
    let world = world(|builder| builder).await;
    for era in ERAS {
        for scopes in [&["files:all"][..], &["files:write"]] {
            call(&world, era, "copy", scopes)
                .await
                .expect_text("copied");
        }
        call(&world, era, "read", &["files:all"])
            .await
            .expect_text(r#"(true, "files:all") (true, "files:all")"#);
        call(&world, era, "read", &["files:read"])
            .await
            .expect_text(r#"(true, "files:read") (false, "files:read")"#);
    }
    world.expect_runs(8);
}

#[actix_web::test]
async fn a_challenge_omits_contained_scopes_and_requests_no_wider_scope() {
    for (tool, granted, asked) in [
        ("read", &["profile"][..], "files:read"),
        ("copy", &["profile"], "files:write"),
        ("copy", &["files:read"], "files:write"),
    ] {
        let world = world(|builder| builder).await;
        for era in ERAS {
            let reply = call(&world, era, tool, granted).await;
            let challenge = reply.expect_status(403).challenge().to_owned();
            assert!(
                challenge.contains(&format!(r#"scope="{asked}""#)),
                "{challenge}"
            );
        }
        // The third denial has no challenge, and its text names the scopes of the challenge.
        let text = format!("Forbidden: {asked} scope required");
        let details = json!({ "kind": "scope", "required": [asked], "cure": { "scope": asked } });
        call(&world, Era::Modern, tool, granted)
            .await
            .expect_denied(&text, &details);
        world.expect_runs(0);
    }
}

#[actix_web::test]
async fn a_scope_that_the_server_requires_may_be_contained_in_another() {
    let world = world(|builder| {
        builder
            .require_scope("files:read")
            .require_scope("files:write")
    });
    let world = world.await;
    let listed = async |scopes: &[&str]| {
        let token = world.mint(&TokenRequest::oauth("linus").scopes(scopes.iter().copied()));
        world.list(Era::Modern).bearer(&token).send().await
    };
    assert_eq!(listed(&["files:all"]).await.tools(), ["copy", "read"]);
    call(&world, Era::Modern, "read", &["files:all"])
        .await
        .expect_status(200);
    let listed_and_called = [
        listed(&["files:read"]).await,
        call(&world, Era::Modern, "read", &["files:read"]).await,
    ];
    // Within five minutes there are only two challenges.
    world.clock.advance(Duration::from_secs(301));
    let called = call(&world, Era::Modern, "read", &["profile"]).await;
    for reply in listed_and_called.into_iter().chain([called]) {
        let challenge = reply.expect_status(403).challenge().to_owned();
        assert!(challenge.contains(r#"scope="files:write""#), "{challenge}");
    }
    // The first challenge also omits contained scopes.
    let reply = world.list(Era::Modern).send().await;
    let challenge = reply.expect_status(401).challenge().to_owned();
    assert!(
        challenge.contains(r#"scope="profile email files:write""#),
        "{challenge}"
    );
}

#[actix_web::test]
async fn scopes_that_contain_themselves_do_not_start() {
    let server = || {
        let server = mcp_auth::server!(state = Runs::default()).tools_of("protocol::scopes::asked");
        server.frontend_api_url("http://127.0.0.1:1")
    };
    for (server, text) in [
        (
            hierarchy(server()).scope_implies("files:read", ["files:list", "files:all"]),
            "the scopes files:all > files:write > files:read > files:all imply each other in a circle; \
             drop one of these `scope_implies`",
        ),
        (
            server().scope_implies("a", ["a"]),
            "the scopes a > a imply each other in a circle; drop one of these `scope_implies`",
        ),
        (
            server().scope_implies("a", ["b c"]),
            "`b c` is not a scope: a scope is printable ASCII without space, quote and backslash",
        ),
        (
            server().scope_implies("", ["b"]),
            "`` is not a scope: a scope is printable ASCII without space, quote and backslash",
        ),
    ] {
        let error = server.build().await.unwrap_err().to_string();
        assert_eq!(without_code(&error), text);
    }
}
