//! Requests without a token, by setting, method and tool, in both eras.

use mcp_auth::ServerBuilder;
use reqwest::Method;
use serde_json::json;

use crate::support::{ERAS, Era, World};

/// The setting, the tools in the list for callers without a token, and whether other requests are
/// answered.
type Mode = (
    &'static str,
    fn(ServerBuilder) -> ServerBuilder,
    Option<&'static [&'static str]>,
);

const ALL: &[&str] = &[
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

const MODES: [Mode; 4] = [
    ("closed", |builder| builder, None),
    (
        "public list",
        ServerBuilder::allow_anonymous_list,
        Some(&["greet"]),
    ),
    ("discoverable", ServerBuilder::discoverable, Some(ALL)),
    // The wider of two settings applies, in any order.
    (
        "both",
        |builder| builder.discoverable().allow_anonymous_list(),
        Some(ALL),
    ),
];

#[actix_web::test]
async fn callers_without_a_token_can_list_discover_and_call_only_as_the_setting_allows() {
    for (what, mode, listed) in MODES {
        let world = World::with(mode).await;
        for era in ERAS {
            let list = world.list(era).send().await;
            match listed {
                Some(tools) => assert_eq!(list.tools(), tools, "{what}"),
                None => assert_eq!(list.status, 401, "{what}"),
            }
            let open = if listed.is_some() { 200 } else { 401 };
            let (method, params) = match era {
                Era::Legacy => (
                    "initialize",
                    json!({ "protocolVersion": "2025-11-25", "capabilities": {},
                            "clientInfo": { "name": "t", "version": "1" } }),
                ),
                Era::Modern => ("server/discover", json!({})),
            };
            let reply = world.ask(era, method, params).send().await;
            assert_eq!(reply.status, open, "{what} {method}");
            let public = world.call(era, "greet", json!({ "name": "Ada" }));
            public.send().await.expect_text("Hello Ada");
            for tool in ["who_am_i", "delete_document", "no_such_tool"] {
                let reply = world.call(era, tool, json!({})).send().await;
                reply.expect_refused_request(401, "invalid_token", "An access token is required");
                assert!(reply.challenge().starts_with("Bearer resource_metadata="));
            }
            for method in ["prompts/list", "no/such"] {
                let reply = world.ask(era, method, json!({})).send().await;
                assert_eq!(reply.status, 401, "{what} {method}");
            }
        }
        world.expect_runs(2);
    }
}

/// A client opens a GET stream as soon as it is connected, and a 401 would make it sign in.
#[actix_web::test]
async fn a_get_stream_is_not_401_if_a_client_can_connect_without_a_token() {
    for (what, mode, listed) in MODES {
        let world = World::with(mode).await;
        let stream = world.request(Method::GET, "/mcp");
        let reply = stream.header("accept", "text/event-stream").send().await;
        let status = if listed.is_some() { 405 } else { 401 };
        assert_eq!(reply.status, status, "{what}");
    }
}

#[actix_web::test]
async fn the_challenge_of_a_guarded_tool_names_its_scopes_if_everybody_may_list_it() {
    let closed = World::with(ServerBuilder::allow_anonymous_list).await;
    let reply = closed.call(Era::Legacy, "sync", json!({})).send().await;
    assert_eq!(reply.challenge(), closed.sign_in_challenge());

    let open = World::with(ServerBuilder::discoverable).await;
    let challenge = |scopes: &str| {
        format!(
            r#"Bearer resource_metadata="{}", scope="profile email user:org:read{scopes}""#,
            open.metadata_url()
        )
    };
    for (tool, scopes) in [
        ("who_am_i", ""),
        ("which_org", ""),
        ("sync", " files:read files:write"),
        ("purge", " files:write"),
        ("no_such_tool", ""),
    ] {
        for era in ERAS {
            let reply = open.call(era, tool, json!({})).send().await;
            assert_eq!(reply.expect_status(401).challenge(), challenge(scopes));
        }
    }
}

#[actix_web::test]
async fn a_signed_in_caller_sees_callable_tools_and_a_bad_token_is_not_treated_as_absent() {
    let world = World::with(ServerBuilder::discoverable).await;
    for era in ERAS {
        let tools = world.list(era).bearer(&world.grace()).send().await.tools();
        assert_eq!(tools, ["greet", "sync", "upload", "which_org", "who_am_i"]);
        world
            .list(era)
            .bearer("not.a.token")
            .send()
            .await
            .expect_status(401);
        let public = world.call(era, "greet", json!({ "name": "Ada" }));
        public.bearer("not.a.token").send().await.expect_status(401);
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_list_that_depends_on_the_caller_has_the_cache_scope_private() {
    let scope = |world: World| async move {
        let result = world.list(Era::Modern).send().await.result();
        result["cacheScope"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        scope(World::with(ServerBuilder::discoverable).await).await,
        "private"
    );
    let public = World::with(|builder| {
        builder
            .discoverable()
            .serve_if(|tool| tool.guard().is_public())
    });
    assert_eq!(scope(public.await).await, "public");
}
