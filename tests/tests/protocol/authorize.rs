//! The keys `authorize`, `any` and `forbid_actor`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clerk_emulator::TokenRequest;
use serde_json::{Value, json};

use crate::process::Process;
use crate::reply::Reply;
use crate::support::{
    ERAS, Era, ORGANIZATION_REQUIRED, World, client, emulator, eventually, message,
};

/// The number of calls of the `authorize` functions of a server.
#[derive(Clone, Debug, Default)]
struct Asked(Arc<AtomicUsize>);

impl Asked {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn total(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// One tool for each form of an `authorize` function.
mod owned {
    use mcp_auth::{Caller, Org, State, ToolError, mcp_tool};
    use schemars::JsonSchema;
    use serde::Deserialize;
    use tokio::task::yield_now;

    use super::Asked;
    use crate::support::Runs;

    mod rules {
        use super::*;

        pub(super) async fn owns(
            document: &str,
            org: &Org,
            asked: &State<Asked>,
        ) -> Result<bool, ToolError> {
            asked.count();
            yield_now().await;
            match document {
                "mine" => Ok(org.id() == "org_acme"),
                "theirs" => Ok(false),
                "gone" => Err(ToolError::new("No such document")),
                "broken" => Ok("x".parse::<bool>()?),
                _ => panic!("the rule does not know {document}"),
            }
        }

        pub(super) fn owns_now(
            document: &str,
            org: &Org,
            asked: &State<Asked>,
        ) -> Result<bool, ToolError> {
            asked.count();
            match document {
                "mine" => Ok(org.id() == "org_acme"),
                "theirs" => Ok(false),
                "gone" => Err(ToolError::new("No such document")),
                "broken" => Ok("x".parse::<bool>()?),
                _ => panic!("the rule does not know {document}"),
            }
        }

        pub(super) async fn is_mine(document: &str, asked: &State<Asked>) -> bool {
            asked.count();
            yield_now().await;
            document == "mine"
        }

        pub(super) fn is_mine_now(document: &str, asked: &State<Asked>) -> bool {
            asked.count();
            document == "mine"
        }
    }

    /// Use an async function that returns a result.
    #[mcp_tool(authorize = rules::owns(document_id, org, asked))]
    async fn by_future(
        document_id: String,
        org: &Org,
        asked: &State<Asked>,
        runs: &State<Runs>,
    ) -> String {
        runs.count();
        format!("{document_id} of {}", org.id())
    }

    /// Use a function that returns a result.
    #[mcp_tool(authorize = rules::owns_now(document_id, org, asked))]
    async fn by_result(
        document_id: String,
        org: &Org,
        asked: &State<Asked>,
        runs: &State<Runs>,
    ) -> String {
        runs.count();
        format!("{document_id} of {}", org.id())
    }

    /// Use an async function that returns a bool.
    #[mcp_tool(authorize = rules::is_mine(document_id, asked))]
    async fn by_future_word(
        document_id: String,
        asked: &State<Asked>,
        runs: &State<Runs>,
    ) -> String {
        runs.count();
        document_id
    }

    /// Use a function that returns a bool.
    #[mcp_tool(rename_all = "camelCase", authorize = rules::is_mine_now(document_id, asked))]
    async fn by_word(document_id: String, asked: &State<Asked>, runs: &State<Runs>) -> String {
        runs.count();
        document_id
    }

    #[derive(Deserialize, JsonSchema)]
    struct Letter {
        to: String,
    }

    fn may_write(letter: &Letter, caller: Option<&Caller>, subject: &Option<String>) -> bool {
        caller.is_some() || (letter.to == "everybody" && subject.is_none())
    }

    /// Write a letter. A caller without a token may only write to everybody.
    #[mcp_tool(public, authorize = may_write(letter, caller, subject))]
    async fn write(
        #[arg(flatten)] letter: Letter,
        subject: Option<String>,
        caller: Option<&Caller>,
        runs: &State<Runs>,
    ) -> String {
        runs.count();
        letter.to
    }

    fn is_short(letter: &Letter) -> bool {
        letter.to.len() < 6
    }

    /// Post a letter.
    #[mcp_tool(authorize = is_short(letter))]
    async fn post(#[arg(flatten)] letter: Letter, runs: &State<Runs>) -> String {
        runs.count();
        letter.to
    }

    async fn never() -> bool {
        std::future::pending().await
    }

    /// Wait for a rule that does not answer.
    #[mcp_tool(timeout = 1, authorize = never())]
    async fn wait(runs: &State<Runs>) {
        runs.count();
    }
}

/// Alternatives, all of them or only some with an organization.
mod choices {
    use mcp_auth::{Org, State, mcp_tool};

    use crate::support::Runs;

    /// Take a permission or a scope.
    #[mcp_tool(any(permission = "org:documents:delete", scope = "files:write"))]
    async fn clean(runs: &State<Runs>) -> &'static str {
        runs.count();
        "cleaned"
    }

    /// Take a permission or a scope, and tell the organization.
    #[mcp_tool(any(permission = "org:documents:delete", scope = "files:write"))]
    async fn clean_up(org: Option<&Org>, runs: &State<Runs>) -> String {
        runs.count();
        format!("cleaned {}", org.map_or("nothing", |org| org.id()))
    }

    /// Take two permissions or a role.
    #[mcp_tool(any(
        permission = all("org:documents:read", "org:documents:delete"),
        role = "owner"
    ))]
    async fn revise(runs: &State<Runs>) -> &'static str {
        runs.count();
        "revised"
    }
}

/// Guards that a server without look-ups cannot decide, and guards that it can decide for some
/// callers.
mod hopeless {
    use mcp_auth::mcp_tool;

    /// Every alternative needs a membership.
    #[mcp_tool(any(role = "admin", permission = "org:documents:read"))]
    async fn rule() {}
}

mod hopeful {
    use mcp_auth::mcp_tool;

    /// One alternative is a scope.
    #[mcp_tool(any(role = "admin", scope = "files:write"))]
    async fn rule() {}
}

mod personal {
    use mcp_auth::{Caller, State, mcp_tool};

    use crate::support::Runs;

    /// Do what only the user themselves may.
    #[mcp_tool(forbid_actor, permission = "org:documents:delete")]
    async fn sign(runs: &State<Runs>) -> &'static str {
        runs.count();
        "signed"
    }

    /// Tell who acts.
    #[mcp_tool]
    async fn who_acts(caller: &Caller, runs: &State<Runs>) -> String {
        runs.count();
        let actor = caller.actor().map_or("nobody", |actor| actor.subject());
        format!("{actor} for {}", caller.subject())
    }
}

async fn owned(asked: &Asked) -> World {
    let asked = asked.clone();
    World::of("protocol::authorize::owned", |builder| builder.state(asked)).await
}

async fn call(world: &World, era: Era, token: &str, tool: &str, arguments: Value) -> Reply {
    let ask = world.call(era, tool, arguments).bearer(token);
    ask.send().await
}

#[actix_web::test]
async fn a_tool_runs_only_if_its_authorize_function_allows() {
    for era in ERAS {
        for (tool, argument) in [
            ("by_future", "document_id"),
            ("by_result", "document_id"),
            ("by_future_word", "document_id"),
            ("by_word", "documentId"),
        ] {
            let asked = Asked::default();
            let world = owned(&asked).await;
            let ada = world.ada();
            let call =
                |document: &str| call(&world, era, &ada, tool, json!({ argument: document }));
            let fallible = !tool.ends_with("word");
            let found = if fallible { "mine of org_acme" } else { "mine" };
            call("mine").await.expect_text(found);
            world.expect_runs(1);
            call("theirs").await.expect_denied(
                &format!("Forbidden: not allowed for this {argument}"),
                &json!({ "kind": "authorize", "required": [argument] }),
            );
            assert_eq!(asked.total(), 2, "{tool}");
            if fallible {
                call("gone").await.expect_tool_error("No such document");
                for hidden in ["broken", "unknown"] {
                    let text = call(hidden).await.text();
                    assert!(text.starts_with("Internal error, reference "), "{text}");
                }
                assert_eq!(asked.total(), 5, "{tool}");
            }
            world.expect_runs(1);
        }
    }
}

#[actix_web::test]
async fn authorize_runs_after_the_guard_and_with_valid_arguments() {
    let asked = Asked::default();
    let world = owned(&asked).await;
    let (ada, linus) = (world.ada(), world.linus());
    let mine = || json!({ "document_id": "mine" });
    let denied = call(&world, Era::Modern, &linus, "by_future", mine()).await;
    assert_eq!(denied.text(), ORGANIZATION_REQUIRED);
    for arguments in [
        json!({}),
        json!({ "document_id": 7 }),
        json!({ "document_id": "mine", "force": true }),
    ] {
        let misfit = call(&world, Era::Modern, &ada, "by_future", arguments).await;
        assert_eq!(misfit.result()["isError"], true);
        assert!(misfit.text().contains("document_id") || misfit.text().contains("force"));
    }
    assert_eq!(asked.total(), 0);
    world.expect_runs(0);
    let ask = world.call(Era::Modern, "by_future", mine());
    ask.send().await.expect_status(401);
    assert_eq!(asked.total(), 0);
}

#[actix_web::test]
async fn authorize_receives_structs_options_and_absent_callers() {
    let world = owned(&Asked::default()).await;
    let write = |arguments: Value| world.call(Era::Modern, "write", arguments);
    write(json!({ "to": "everybody" }))
        .send()
        .await
        .expect_text("everybody");
    let refused = "Forbidden: not allowed for this letter and subject";
    let details = json!({ "kind": "authorize", "required": ["letter", "subject"] });
    for arguments in [
        json!({ "to": "ada" }),
        json!({ "to": "everybody", "subject": "x" }),
    ] {
        write(arguments.clone())
            .send()
            .await
            .expect_denied(refused, &details);
        let signed_in = write(arguments.clone()).bearer(&world.linus()).send().await;
        signed_in.expect_text(arguments["to"].as_str().unwrap());
    }
    world.expect_runs(3);
    let linus = world.linus();
    let post = |to: &str| call(&world, Era::Modern, &linus, "post", json!({ "to": to }));
    post("ada").await.expect_text("ada");
    let details = json!({ "kind": "authorize", "required": ["letter"] });
    post("everybody")
        .await
        .expect_denied("Forbidden: not allowed for this letter", &details);
    world.expect_runs(4);
}

#[actix_web::test]
async fn an_authorize_function_that_hangs_ends_with_the_call() {
    let world = owned(&Asked::default()).await;
    let reply = call(&world, Era::Modern, &world.ada(), "wait", json!({})).await;
    assert!(
        reply.text().starts_with("Internal error, reference "),
        "{}",
        reply.text()
    );
    world.expect_runs(0);
}

async fn choices() -> World {
    World::of("protocol::authorize::choices", |builder| builder).await
}

#[actix_web::test]
async fn one_alternative_of_a_guard_is_enough() {
    for era in ERAS {
        let world = choices().await;
        let call = |token: &str, tool: &str| world.call(era, tool, json!({})).bearer(token).send();
        let (ada, grace, linus) = (world.ada(), world.grace(), world.linus());
        let writer = world.mint(&TokenRequest::oauth("linus").scopes(["files:write"]));
        for (token, tool, text) in [
            (&ada, "clean", "cleaned"),
            (&writer, "clean", "cleaned"),
            (&ada, "clean_up", "cleaned org_acme"),
            (&writer, "clean_up", "cleaned nothing"),
            (&ada, "revise", "revised"),
        ] {
            call(token, tool).await.expect_text(text);
        }
        world.expect_runs(5);
        for (token, cure) in [
            (&grace, "files:write user:org:read"),
            (&linus, "files:write"),
        ] {
            call(token, "clean").await.expect_denied(
                "Forbidden: org:documents:delete permission or files:write scope required",
                &json!({
                    "kind": "any",
                    "required": [
                        [{ "kind": "permission", "name": "org:documents:delete" }],
                        [{ "kind": "scope", "name": "files:write" }],
                    ],
                    "cure": { "scope": cure },
                }),
            );
        }
        call(&grace, "revise").await.expect_denied(
            "Forbidden: org:documents:read and org:documents:delete permissions or org:owner role \
             required",
            &json!({
                "kind": "any",
                "required": [
                    [
                        { "kind": "permission", "name": "org:documents:read" },
                        { "kind": "permission", "name": "org:documents:delete" },
                    ],
                    [{ "kind": "role", "name": "org:owner" }],
                ],
            }),
        );
        assert_eq!(call(&linus, "revise").await.text(), ORGANIZATION_REQUIRED);
        world.expect_runs(5);
    }
}

#[actix_web::test]
async fn the_list_shows_what_an_alternative_or_a_new_token_makes_callable() {
    let world = choices().await;
    for (token, tools) in [
        (world.ada(), &["clean", "clean_up", "revise"][..]),
        (world.grace(), &["clean", "clean_up"]),
    ] {
        let list = world.list(Era::Modern).bearer(&token).send().await;
        assert_eq!(list.tools(), tools);
    }
}

#[actix_web::test]
async fn a_scope_counts_while_memberships_cannot_be_looked_up() {
    let world = choices().await;
    world.instance.fail_with(Some(500));
    let ada = world.ada();
    let writer = world.mint(
        &TokenRequest::oauth("ada")
            .org("acme")
            .scopes(["files:write", "user:org:read"]),
    );
    let call = |token: &str, tool: &str| {
        world
            .call(Era::Modern, tool, json!({}))
            .bearer(token)
            .send()
    };
    call(&writer, "clean").await.expect_text("cleaned");
    world.expect_runs(1);
    call(&ada, "clean").await.expect_unavailable();
    call(&writer, "revise").await.expect_unavailable();
    // The tool would receive the organization, which is unknown.
    call(&writer, "clean_up").await.expect_unavailable();
    world.expect_runs(1);
    world.instance.fail_with(None);
    call(&writer, "clean_up")
        .await
        .expect_text("cleaned org_acme");
}

#[actix_web::test]
async fn a_guard_starts_without_look_ups_if_one_alternative_needs_none() {
    let clerk = emulator().await;
    let server = |module: &'static str| {
        mcp_auth::server!()
            .tools_of(module)
            .frontend_api_url(clerk.url())
    };
    let hopeless = server("protocol::authorize::hopeless").build().await;
    let text = hopeless.unwrap_err().to_string();
    assert!(
        text.starts_with("no caller can ever pass the guard of `rule`"),
        "{text}"
    );
    server("protocol::authorize::hopeful")
        .build()
        .await
        .unwrap();
}

/// A token of `ada` with any `act` claim, also a malformed one.
fn impersonated(world: &World, act: Value) -> String {
    let request = TokenRequest::oauth("ada").org("acme");
    let now = world.clock.unix_seconds();
    let (header, mut claims) = world.instance.token_parts(&request, now).unwrap();
    claims["act"] = act;
    world.instance.mint_claims(header, claims).unwrap()
}

#[actix_web::test]
async fn t23_a_tool_that_forbids_actors_refuses_them() {
    for era in ERAS {
        let world = World::of("protocol::authorize::personal", |builder| builder).await;
        let call = |token: &str, tool: &str| world.call(era, tool, json!({})).bearer(token).send();
        call(&world.ada(), "sign").await.expect_text("signed");
        for (act, actor) in [
            (
                json!({ "sub": "user_support", "iss": "https://dashboard.clerk.com" }),
                "user_support",
            ),
            (json!({ "iss": "https://dashboard.clerk.com" }), "nobody"),
            (json!("user_support"), "nobody"),
        ] {
            let token = impersonated(&world, act);
            call(&token, "sign").await.expect_denied(
                "Forbidden: not available to somebody who acts for the user",
                &json!({ "kind": "actor", "required": [] }),
            );
            let told = call(&token, "who_acts").await;
            told.expect_text(&format!("{actor} for user_ada"));
            let list = world.list(era).bearer(&token).send().await;
            assert_eq!(list.tools(), ["who_acts"]);
        }
        let token = impersonated(&world, Value::Null);
        call(&token, "sign").await.expect_text("signed");
        world.expect_runs(5);
    }
}

/// The log at its default level has a line for each denied or failed call and for each refused
/// token.
#[actix_web::test]
async fn t09_at_info_the_log_has_reasons_and_neither_arguments_nor_identities() {
    let clerk = emulator().await;
    let mut process = Process::start_on(&clerk, &[]);
    let endpoint = process.fact("endpoint").to_owned();
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let request = TokenRequest::oauth("ada").org("acme");
    let ada = clerk.instance().mint(&request, now).unwrap();
    let linus = TokenRequest::oauth("linus");
    let linus = clerk.instance().mint(&linus, now).unwrap();
    for (token, tool, arguments) in [
        (&ada, "who_am_i", json!({})),
        (&linus, "read_documents", json!({})),
        (&ada, "sign", json!({ "name": "bob" })),
        (&ada, "sign", json!({ "hunter2": "ada" })),
        (&"hunter2".to_owned(), "who_am_i", json!({})),
        (&"hunter3".to_owned(), "who_am_i", json!({})),
    ] {
        let body = message(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        );
        let post = client()
            .post(&endpoint)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        post.body(body).send().await.unwrap();
    }
    process.signal("TERM");
    eventually("it ends", || process.ended().is_some()).await;
    let log = process.log();
    let about_requests = |line: &&str| line.contains(" INFO ") && !line.contains("stopping");
    let lines: Vec<_> = log.lines().filter(about_requests).collect();
    let expected = [
        r#"denied tool="read_documents" reason="Organization context required" duration="#,
        r#"denied tool="sign" reason="Forbidden: not allowed for this name, by authorize is_free(name)" duration="#,
        r#"invalid tool="sign" reason="the arguments do not fit the schema" duration="#,
        r#"token refused reason="token-invalid" rule=the token is malformed tokens=1"#,
    ];
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{expected} in {log}");
    }
    for secret in [
        "hunter",
        "user_ada",
        "user_linus",
        "org_acme",
        "bob",
        "who_am_i",
        "DEBUG",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[actix_web::test]
async fn t23_the_record_of_a_call_names_user_and_actor_and_the_policy() {
    let clerk = emulator().await;
    let mut process = Process::start_on(&clerk, &[("RUST_LOG", "mcp_auth=debug")]);
    let endpoint = process.fact("endpoint").to_owned();
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let request = TokenRequest::oauth("ada").org("acme");
    let (header, claims) = clerk.instance().token_parts(&request, now).unwrap();
    for act in [json!({ "sub": "user_support" }), json!({}), Value::Null] {
        let mut claims = claims.clone();
        claims["act"] = act;
        let token = clerk
            .instance()
            .mint_claims(header.clone(), claims)
            .unwrap();
        for (tool, arguments) in [
            ("sign", json!({ "name": "ada" })),
            ("sign", json!({ "name": "bob" })),
        ] {
            let body = message(
                "tools/call",
                json!({ "name": tool, "arguments": arguments }),
            );
            let post = client()
                .post(&endpoint)
                .header("content-type", "application/json")
                .header("authorization", format!("Bearer {token}"));
            post.body(body).send().await.unwrap();
        }
    }
    process.signal("TERM");
    eventually("it ends", || process.ended().is_some()).await;
    let log = process.log();
    let policy = r#"policy="no actor, authorize is_free(name)""#;
    for line in [
        format!(r#"denied tool="sign" {policy} subject="user_ada" actor="user_support""#),
        format!(r#"denied tool="sign" {policy} subject="user_ada" actor="unknown""#),
        format!(r#"allowed tool="sign" {policy} subject="user_ada" client="#),
        format!(r#"denied tool="sign" {policy} subject="user_ada" client="#),
        r#" token="oauth" reason="Forbidden: not available to somebody who acts for the user""#
            .to_owned(),
        r#" token="oauth" reason="Forbidden: not allowed for this name, by authorize is_free(name)""#.to_owned(),
    ] {
        assert!(log.contains(&line), "no {line} in {log}");
    }
    assert!(
        process
            .printed()
            .contains("no actor, authorize is_free(name)")
    );
}
