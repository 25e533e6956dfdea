//! The two-step form of `confirm`: a client that cannot ask a person confirms with a code in a second call.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::ServerBuilder;
use serde_json::{Value, json};

use crate::confirm::Shared;
use crate::elicitation::{KEY, again, ask, ask_as, questions, replicas, tool};
use crate::reply::Reply;
use crate::schema::expect_result;
use crate::support::{ERAS, Era, World, builder, emulator};

mod tools {
    use mcp_auth::mcp_tool;

    /// Rename something.
    #[mcp_tool(confirm = "Rename it?")]
    async fn rename(confirmation_code: String) -> String {
        confirmation_code
    }
}

mod other_tools {
    use mcp_auth::{Context, State, ToolError, data, mcp_tool};

    use crate::support::Runs;

    #[data]
    pub(super) struct Place {
        shelf: u32,
    }

    /// Archive a document.
    #[mcp_tool(confirm = "Archive {id}?", lenient)]
    async fn archive(id: String, place: Option<Place>, runs: &State<Runs>) -> String {
        runs.count();
        format!("{id} on {}", place.map_or(0, |place| place.shelf))
    }

    /// Let the person open a page after the confirmation.
    #[mcp_tool(confirm = "Connect?")]
    async fn connect(cx: &Context, runs: &State<Runs>) -> Result<String, ToolError> {
        cx.elicit_url("Sign in.", "https://example.com/").await?;
        runs.count();
        Ok("connected".to_owned())
    }

    /// Delete as a task.
    #[mcp_tool(confirm = "Delete {id}?", task = "optional")]
    async fn delete_later(id: String, runs: &State<Runs>) -> String {
        runs.count();
        format!("deleted {id}")
    }

    /// Say nothing.
    #[mcp_tool]
    async fn silent() -> &'static str {
        "silent"
    }
}

const TOOLS: &str = "protocol::confirm::tools";

fn codes(builder: ServerBuilder) -> ServerBuilder {
    builder.allow_confirmation_codes()
}

async fn world() -> World {
    World::of(TOOLS, codes).await
}

/// A call of a client that cannot ask a person.
async fn call(world: &World, era: Era, token: &str, name: &str, arguments: &Value) -> Reply {
    let ask = match era {
        Era::Legacy => world.call(era, name, arguments.clone()),
        Era::Modern => ask_as(world, &json!({}), "tools/call", tool(name, arguments)),
    };
    ask.bearer(token).send().await
}

fn delete() -> Value {
    json!({ "document_id": "d1", "pages": 3 })
}

fn with_code(mut arguments: Value, code: &str) -> Value {
    arguments["confirmation_code"] = code.into();
    arguments
}

/// Expects a result with a question, and returns the code.
#[track_caller]
fn code_of(era: Era, reply: &Reply, question: &str) -> String {
    let result = expect_result(era, "CallToolResult", reply);
    assert_eq!(result["isError"], true, "{result}");
    let confirmation = &result["_meta"]["mcp-auth-rs/confirmation"];
    assert_eq!(confirmation["question"], question);
    let code = confirmation["code"].as_str().unwrap().to_owned();
    let text = reply.text();
    assert!(text.starts_with(&format!("{question}\n\n")), "{text}");
    assert!(
        text.contains(&format!("`confirmation_code`: `{code}`")),
        "{text}"
    );
    code
}

const QUESTION: &str = "Delete d1? It has 3 pages, {really}.";
const REFUSED: &str = "Delete d1? It has 3 pages, {really}.\n\nThe last answer was not accepted: the code is not for this \
     call, has expired, or was used before.";

#[actix_web::test]
async fn a_client_that_cannot_ask_confirms_with_a_code() {
    for era in ERAS {
        let world = world().await;
        let ada = world.ada();
        let first = call(&world, era, &ada, "delete", &delete()).await;
        let code = code_of(era, &first, QUESTION);
        world.expect_runs(0);
        // White space and the order of members do not matter.
        let mut confirmed = json!({ "confirmation_code": code });
        for (name, value) in delete().as_object().unwrap() {
            confirmed[name] = value.clone();
        }
        let reply = call(&world, era, &ada, "delete", &confirmed).await;
        reply.expect_text("Deleted d1 of org_acme, 3");
        world.expect_runs(1);
        // The code counts once. A further use gets the question and another code.
        let reply = call(&world, era, &ada, "delete", &confirmed).await;
        let second = code_of(era, &reply, REFUSED);
        assert_ne!(second, code);
        world.expect_runs(1);
        let reply = call(&world, era, &ada, "delete", &with_code(delete(), &second)).await;
        reply.expect_text("Deleted d1 of org_acme, 3");
        world.expect_runs(2);
    }
}

#[actix_web::test]
async fn two_uses_of_a_code_at_the_same_time_run_the_tool_once() {
    let world = world().await;
    let ada = world.ada();
    let first = call(&world, Era::Modern, &ada, "delete", &delete()).await;
    let confirmed = with_code(delete(), &code_of(Era::Modern, &first, QUESTION));
    let both = (0..4).map(|_| call(&world, Era::Modern, &ada, "delete", &confirmed));
    let replies = futures_util::future::join_all(both).await;
    let ran = replies
        .iter()
        .filter(|reply| reply.result()["isError"] != true);
    assert_eq!(ran.count(), 1);
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_code_is_for_its_caller_its_tool_and_its_arguments() {
    let world = world().await;
    world
        .instance
        .set_member("ada", "globex", "member", &["org:documents:delete"]);
    let ada = world.ada();
    let era = Era::Modern;
    let code = code_of(
        era,
        &call(&world, era, &ada, "delete", &delete()).await,
        QUESTION,
    );
    let refused = |question: &str| {
        format!(
            "{question}\n\nThe last answer was not accepted: the code is not for this call, has expired, or was used before."
        )
    };
    let mut another_client = TokenRequest::oauth("ada").org("acme");
    another_client.client_id = Some("client_dev".to_owned());
    for other in [another_client, TokenRequest::oauth("ada").org("globex")] {
        let other = world.mint(&other);
        let reply = call(&world, era, &other, "delete", &with_code(delete(), &code)).await;
        code_of(era, &reply, REFUSED);
    }
    let other = json!({ "document_id": "d2", "pages": 3 });
    let reply = call(&world, era, &ada, "delete", &with_code(other, &code)).await;
    code_of(
        era,
        &reply,
        &refused("Delete d2? It has 3 pages, {really}."),
    );
    let reply = call(
        &world,
        era,
        &ada,
        "publish",
        &with_code(json!({ "document_id": "d1" }), &code),
    )
    .await;
    code_of(era, &reply, &refused("Publish d1 after 0 runs?"));
    for invented in [
        "x".to_owned(),
        "A".repeat(78),
        "A".repeat(100_000),
        format!("{code}A"),
    ] {
        let reply = call(&world, era, &ada, "delete", &with_code(delete(), &invented)).await;
        code_of(era, &reply, REFUSED);
    }
    world.expect_runs(0);
    // The code is still unused.
    let reply = call(&world, era, &ada, "delete", &with_code(delete(), &code)).await;
    reply.expect_text("Deleted d1 of org_acme, 3");
}

#[actix_web::test]
async fn an_opaque_token_for_another_organization_does_not_confirm() {
    let world = world().await;
    world
        .instance
        .set_member("ada", "globex", "member", &["org:documents:delete"]);
    let opaque = |org: &str| world.mint(&TokenRequest::oauth("ada").org(org).opaque());
    let publish = json!({ "document_id": "d1" });
    for era in ERAS {
        let first = call(&world, era, &opaque("acme"), "publish", &publish).await;
        let question = format!("Publish d1 after {} runs?", world.runs.total());
        let confirmed = with_code(publish.clone(), &code_of(era, &first, &question));
        let reply = call(&world, era, &opaque("globex"), "publish", &confirmed).await;
        assert_eq!(reply.result()["isError"], true);
        let reply = call(&world, era, &opaque("acme"), "publish", &confirmed).await;
        reply.expect_text("Published d1");
    }
}

#[actix_web::test]
async fn a_code_expires_and_the_right_to_the_tool_is_checked_again() {
    let world = world().await;
    let era = Era::Legacy;
    let first = call(&world, era, &world.ada(), "delete", &delete()).await;
    let confirmed = with_code(delete(), &code_of(era, &first, QUESTION));
    world.clock.advance(Duration::from_secs(300));
    let reply = call(&world, era, &world.ada(), "delete", &confirmed).await;
    let confirmed = with_code(delete(), &code_of(era, &reply, REFUSED));
    let ada = world.ada();
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(31));
    let reply = call(&world, era, &ada, "delete", &confirmed).await;
    assert_eq!(reply.result()["isError"], true);
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_changed_question_is_asked_again() {
    let world = world().await;
    let (ada, era) = (world.ada(), Era::Legacy);
    let publish = json!({ "document_id": "d1" });
    let first = call(&world, era, &ada, "publish", &publish).await;
    let code = code_of(era, &first, "Publish d1 after 0 runs?");
    world.runs.count();
    let reply = call(&world, era, &ada, "publish", &with_code(publish, &code)).await;
    code_of(era, &reply, "Publish d1 after 1 runs?");
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_client_that_can_ask_is_asked_and_its_code_has_no_effect() {
    let world = world().await;
    let ada = world.ada();
    let first = call(&world, Era::Modern, &ada, "delete", &delete()).await;
    let confirmed = with_code(delete(), &code_of(Era::Modern, &first, QUESTION));
    let params = tool("delete", &confirmed);
    let reply = ask(&world, "tools/call", params.clone())
        .bearer(&ada)
        .send()
        .await;
    let (asked, state) = questions(&reply);
    assert_eq!(asked["confirm"]["params"]["message"], QUESTION);
    world.expect_runs(0);
    let no = json!({ "confirm": { "action": "decline" } });
    let declined = again(params, &state, no);
    let reply = ask(&world, "tools/call", declined)
        .bearer(&ada)
        .send()
        .await;
    reply.expect_tool_error("Not confirmed: the user declined.");
    world.expect_runs(0);
}

#[actix_web::test]
async fn the_schema_has_the_code_only_if_the_server_takes_it() {
    let schemas = async |world: &World, era: Era| {
        let reply = world.list(era).bearer(&world.ada()).send().await;
        reply.result()["tools"].as_array().unwrap().clone()
    };
    for era in ERAS {
        let with = World::of("protocol::confirmation_codes::other_tools", codes).await;
        for tool in schemas(&with, era).await {
            let schema = &tool["inputSchema"];
            let code = &schema["properties"]["confirmation_code"];
            let takes_code = tool["name"] != "silent";
            assert_eq!(code["type"] == "string", takes_code, "{tool}");
            let required = schema["required"].as_array();
            assert!(!required.is_some_and(|all| all.contains(&json!("confirmation_code"))));
        }
        let text = with.call(era, "silent", json!({ "confirmation_code": "x" }));
        let text = text.bearer(&with.ada()).send().await;
        assert_eq!(text.result()["isError"], true);
        let without = World::of("protocol::confirmation_codes::other_tools", |builder| {
            builder
        })
        .await;
        for tool in schemas(&without, era).await {
            assert!(!tool.to_string().contains("confirmation_code"), "{tool}");
        }
        // Without the setting, the code is an unknown argument, and the call is refused as before.
        let arguments = json!({ "id": "d1", "confirmation_code": "x" });
        let reply = call(&without, Era::Legacy, &without.ada(), "archive", &arguments).await;
        assert_eq!(reply.result()["isError"], true);
        without.expect_runs(0);
    }
}

#[actix_web::test]
async fn a_code_that_is_no_string_is_an_invalid_argument() {
    let world = world().await;
    let ada = world.ada();
    for code in [json!(1), json!(["x"]), json!({})] {
        let mut arguments = delete();
        arguments["confirmation_code"] = code;
        let reply = call(&world, Era::Legacy, &ada, "delete", &arguments).await;
        reply.expect_tool_error("Invalid argument `confirmation_code`: expected one string");
    }
    // Only a caller whom the guard allows learns that.
    let grace = world.grace();
    let wrong = json!({ "confirmation_code": 1 });
    let text = call(&world, Era::Legacy, &grace, "delete", &wrong).await;
    let text = text.text();
    assert!(text.starts_with("Forbidden"), "{text}");
    // `null` stands for an argument that is left out.
    let mut arguments = delete();
    arguments["confirmation_code"] = Value::Null;
    let reply = call(&world, Era::Legacy, &ada, "delete", &arguments).await;
    code_of(Era::Legacy, &reply, QUESTION);
    world.expect_runs(0);
}

#[actix_web::test]
async fn other_arguments_reach_the_function_unchanged() {
    let world = World::of("protocol::confirmation_codes::other_tools", codes).await;
    let ada = world.ada();
    for (arguments, text) in [
        (json!({ "id": "a\"b\n" }), "a\"b\n on 0"),
        (json!({ "id": "a", "place": { "shelf": 7 } }), "a on 7"),
        (json!({ "id": "a", "place": "{\"shelf\": 7}" }), "a on 7"),
    ] {
        let first = call(&world, Era::Legacy, &ada, "archive", &arguments).await;
        let code = first.result()["_meta"]["mcp-auth-rs/confirmation"]["code"].take();
        let confirmed = with_code(arguments, code.as_str().unwrap());
        let reply = call(&world, Era::Legacy, &ada, "archive", &confirmed).await;
        reply.expect_text(text);
    }
}

#[actix_web::test]
async fn a_function_that_asks_after_the_confirmation_keeps_it() {
    let world = World::of("protocol::confirmation_codes::other_tools", codes).await;
    let ada = world.ada();
    // The client lets a person open pages, but has no forms.
    let only_url = json!({ "elicitation": { "url": {} } });
    let send = async |params: Value| {
        let ask = ask_as(&world, &only_url, "tools/call", params);
        ask.bearer(&ada).send().await
    };
    let first = send(tool("connect", &json!({}))).await;
    let code = code_of(Era::Modern, &first, "Connect?");
    let confirmed = tool("connect", &json!({ "confirmation_code": code }));
    let (asked, state) = questions(&send(confirmed.clone()).await);
    assert_eq!(asked["question-1"]["params"]["message"], "Sign in.");
    let yes = json!({ "question-1": { "action": "accept" } });
    let last = again(confirmed, &state, yes);
    send(last.clone()).await.expect_text("connected");
    assert_eq!(send(last).await.json()["error"]["code"], -32602);
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_tool_that_may_run_as_a_task_takes_a_code() {
    let world = World::of("protocol::confirmation_codes::other_tools", codes).await;
    let ada = world.ada();
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    for capabilities in [json!({}), tasks] {
        let send = async |arguments: &Value| {
            let params = tool("delete_later", arguments);
            let ask = ask_as(&world, &capabilities, "tools/call", params);
            ask.bearer(&ada).send().await
        };
        let first = send(&json!({ "id": "d1" })).await;
        let code = code_of(Era::Modern, &first, "Delete d1?");
        let reply = send(&json!({ "id": "d1", "confirmation_code": code })).await;
        reply.expect_text("deleted d1");
    }
    world.expect_runs(2);
}

#[actix_web::test]
async fn two_servers_with_one_store_take_a_code_once() {
    let replicas = replicas(TOOLS).await;
    let store = Shared::default();
    let keyed = |store: Shared| {
        move |builder: ServerBuilder| codes(builder).state_keys([KEY]).confirmation_store(store)
    };
    let one = replicas.start(keyed(store.clone())).await;
    let other = replicas.start(keyed(store)).await;
    let cannot_ask = json!({});
    let reply = replicas
        .send_as(&one, &cannot_ask, tool("delete", &delete()))
        .await;
    let confirmed = tool(
        "delete",
        &with_code(delete(), &code_of(Era::Modern, &reply, QUESTION)),
    );
    let reply = replicas
        .send_as(&other, &cannot_ask, confirmed.clone())
        .await;
    reply.expect_text("Deleted d1 of org_acme, 3");
    let reply = replicas.send_as(&one, &cannot_ask, confirmed).await;
    code_of(Era::Modern, &reply, REFUSED);
    one.expect_runs(0);
}

#[actix_web::test]
async fn an_argument_with_the_name_of_the_code_keeps_the_server_from_starting() {
    let clerk = emulator().await;
    let build = async |settings: fn(ServerBuilder) -> ServerBuilder| {
        let builder = builder(&clerk).tools_of("protocol::confirmation_codes::tools");
        settings(builder).build().await.map(drop)
    };
    assert!(build(|builder| builder).await.is_ok());
    let error = build(codes).await.unwrap_err().to_string();
    assert!(error.contains("argument-reserved"), "{error}");
    assert!(error.contains("`confirmation_code`"), "{error}");
}

#[actix_web::test]
async fn the_matrix_shows_which_tools_take_a_code() {
    let world = world().await;
    let matrix = |settings: fn(ServerBuilder) -> ServerBuilder| {
        let clerk = world.clerk.as_ref().unwrap();
        let builder = settings(builder(clerk).tools_of(TOOLS).state(world.runs.clone()));
        async { builder.build().await.unwrap().matrix().to_string() }
    };
    assert!(
        matrix(codes)
            .await
            .contains("confirmed by the user or with a code")
    );
    assert!(!matrix(|builder| builder).await.contains("with a code"));
}
