//! Scopes that a function needs at run time: the answers are those of a declared scope.

use clerk_emulator::TokenRequest;
use mcp_auth::ServerBuilder;
use serde_json::json;

use crate::schema::expect_error;
use crate::support::{ERAS, Era, World};

mod tools {
    use mcp_auth::{Org, State, ToolError, mcp_prompt, mcp_resource, mcp_tool};

    use crate::support::Runs;

    fn needs(scope: &str) -> ToolError {
        ToolError::needs_scopes([scope])
    }

    /// Edit a page.
    #[mcp_tool(scope = "wiki:edit")]
    async fn edit(wanted: String, runs: &State<Runs>) -> Result<String, ToolError> {
        runs.count();
        Err(needs(&wanted))
    }

    async fn is_admin(wanted: &str) -> Result<bool, ToolError> {
        Err(needs(wanted))
    }

    /// Edit a page of an organization.
    #[mcp_tool(require_org, authorize = is_admin(wanted))]
    async fn edit_shared(wanted: String, _org: &Org, runs: &State<Runs>) {
        runs.count();
    }

    /// Edit without an account.
    #[mcp_tool(public)]
    async fn suggest() -> Result<(), ToolError> {
        Err(needs("wiki:suggest"))
    }

    /// Ask for these scopes.
    #[mcp_tool]
    async fn ask(scopes: Vec<String>) -> Result<(), ToolError> {
        Err(ToolError::needs_scopes(scopes))
    }

    /// Write a page.
    #[mcp_prompt(scope = "wiki:edit")]
    async fn write(wanted: String) -> Result<String, ToolError> {
        Err(needs(&wanted))
    }

    /// A page.
    #[mcp_resource("wiki://pages/{wanted}")]
    async fn page(wanted: String) -> Result<String, ToolError> {
        Err(needs(&wanted))
    }
}

async fn world(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    World::of("protocol::step_up::tools", |builder| {
        settings(builder.require_scope("wiki:read"))
    })
    .await
}

const WANTED: &str = "wiki:admin";

/// The token names an organization, so it has the scope `user:org:read`. Every challenge keeps that scope.
fn token(world: &World, scopes: &[&str]) -> String {
    let scopes = [&["wiki:read", "wiki:edit"], scopes].concat();
    world.mint(&TokenRequest::oauth("ada").org("acme").scopes(scopes))
}

#[actix_web::test]
async fn a_function_can_ask_for_scopes_and_gets_the_challenge_of_a_declared_scope() {
    for (what, method, params, scopes) in [
        (
            "a body",
            "tools/call",
            json!({ "name": "edit", "arguments": { "wanted": WANTED } }),
            "wiki:edit wiki:read wiki:admin user:org:read",
        ),
        (
            "authorize",
            "tools/call",
            json!({ "name": "edit_shared", "arguments": { "wanted": WANTED } }),
            "wiki:read wiki:admin user:org:read",
        ),
        (
            "a prompt",
            "prompts/get",
            json!({ "name": "write", "arguments": { "wanted": WANTED } }),
            "wiki:edit wiki:read wiki:admin user:org:read",
        ),
        (
            "a resource",
            "resources/read",
            json!({ "uri": "wiki://pages/wiki%3Aadmin" }),
            "wiki:read wiki:admin user:org:read",
        ),
    ] {
        for era in ERAS {
            let world = world(|builder| builder).await;
            let token = token(&world, &[]);
            for _ in 0..2 {
                let reply = world
                    .ask(era, method, params.clone())
                    .bearer(&token)
                    .send()
                    .await;
                let text = "Forbidden: wiki:admin scope required";
                let mut expected: Vec<_> = scopes.split(' ').collect();
                let challenge = reply.expect_status(403).challenge().to_owned();
                let (_, named) = challenge.split_once(r#" scope=""#).unwrap();
                let (named, _) = named.split_once('"').unwrap();
                let mut named: Vec<_> = named.split(' ').collect();
                named.sort_unstable();
                expected.sort_unstable();
                assert_eq!(named, expected, "{what}: {challenge}");
                assert!(challenge.contains(text), "{what}: {challenge}");
                assert_eq!(reply.json()["id"], 1);
            }
            // The third time there is no challenge.
            let reply = world
                .ask(era, method, params.clone())
                .bearer(&token)
                .send()
                .await;
            if method == "tools/call" {
                assert_eq!(
                    reply.text(),
                    "Forbidden: wiki:admin scope required",
                    "{what}"
                );
            } else {
                let body = expect_error(era, 200, 403, &reply);
                assert_eq!(
                    body["error"]["message"],
                    "Forbidden: wiki:admin scope required"
                );
            }
            assert_eq!(
                world.runs.total(),
                if what == "a body" { 3 } else { 0 },
                "{what}"
            );
        }
    }
}

#[actix_web::test]
async fn a_token_that_has_the_scopes_gets_a_denial_and_no_challenge() {
    let world = world(|builder| builder).await;
    let token = token(&world, &[WANTED]);
    for era in ERAS {
        let reply = world
            .call(era, "edit", json!({ "wanted": WANTED }))
            .bearer(&token)
            .send()
            .await;
        let denied = json!({ "kind": "scope", "required": [WANTED] });
        reply.expect_denied("Forbidden: wiki:admin scope required", &denied);
    }
}

#[actix_web::test]
async fn without_403_a_scope_of_a_function_is_a_result() {
    let world = world(ServerBuilder::scope_denials_as_results).await;
    let token = token(&world, &[]);
    for era in ERAS {
        let reply = world
            .call(era, "edit", json!({ "wanted": WANTED }))
            .bearer(&token)
            .send()
            .await;
        assert_eq!(
            reply.expect_status(200).text(),
            "Forbidden: wiki:admin scope required"
        );
    }
}

#[actix_web::test]
async fn a_caller_without_a_token_must_sign_in_with_the_scope() {
    let world = world(|builder| builder).await;
    for era in ERAS {
        let reply = world.call(era, "suggest", json!({})).send().await;
        let challenge = reply.expect_status(401).challenge().to_owned();
        assert!(challenge.contains("wiki:suggest"), "{challenge}");
    }
}

#[actix_web::test]
async fn scopes_that_are_none_or_too_many_or_too_long_are_an_internal_error() {
    let world = world(|builder| builder).await;
    let token = token(&world, &[]);
    let many: Vec<_> = (0..17).map(|index| format!("s{index}")).collect();
    for scopes in [
        json!([]),
        json!([""]),
        json!(["wiki edit"]),
        json!(["a", "b\"c"]),
        json!(["a".repeat(129)]),
        json!(many),
    ] {
        let ask = world.call(Era::Modern, "ask", json!({ "scopes": scopes }));
        let text = ask.bearer(&token).send().await.text();
        assert!(text.starts_with("Internal error, reference "), "{text}");
    }
    let most = json!({ "scopes": many[..16] });
    let reply = world
        .call(Era::Modern, "ask", most)
        .bearer(&token)
        .send()
        .await;
    reply.expect_status(403);
}

/// Some clients would send their user to the consent screen without end.
#[actix_web::test]
async fn the_order_and_the_repetition_of_scopes_bring_no_further_challenge() {
    let world = world(|builder| builder).await;
    let token = token(&world, &[]);
    for (scopes, status) in [
        (json!(["a", "b"]), 403),
        (json!(["b", "a", "a"]), 403),
        (json!(["b", "a"]), 200),
        (json!(["a", "a", "b"]), 200),
        (json!(["a", "b", "c"]), 403),
    ] {
        let ask = world.call(Era::Modern, "ask", json!({ "scopes": scopes }));
        ask.bearer(&token).send().await.expect_status(status);
    }
}
