//! `confirm`: a person agrees before the body of a tool runs, and each agreement counts once.

use std::collections::HashSet;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::{ConfirmationStore, ServerBuilder};
use serde_json::{Value, json};

use crate::elicitation::{KEY, again, ask, ask_as, expect_refused, questions, replicas, tool};
use crate::reply::Reply;
use crate::support::{Era, World, builder, emulator};

mod tools {
    use mcp_auth::{Context, Org, State, ToolError, form, mcp_tool};

    use crate::support::Runs;

    #[form]
    struct Reason {
        reason: String,
    }

    /// Delete a document.
    #[mcp_tool(
        permission = "org:documents:delete",
        authorize = not_locked(document_id, org),
        confirm = "Delete {document_id}? It has {pages} pages, {{really}}.",
        destructive
    )]
    async fn delete(document_id: String, pages: u32, org: &Org, runs: &State<Runs>) -> String {
        runs.count();
        format!("Deleted {document_id} of {}, {pages}", org.id())
    }

    fn not_locked(document_id: &str, _: &Org) -> bool {
        document_id != "locked"
    }

    /// Publish a document.
    #[mcp_tool(confirm = question(document_id, runs))]
    fn publish(document_id: String, runs: &State<Runs>) -> String {
        runs.count();
        format!("Published {document_id}")
    }

    async fn question(document_id: &str, runs: &State<Runs>) -> Result<String, ToolError> {
        tokio::task::yield_now().await;
        if document_id == "unknown" {
            return Err(ToolError::new("There is no such document"));
        }
        Ok(format!(
            "Publish {document_id} after {} runs?",
            runs.total()
        ))
    }

    /// Close an account, with a reason.
    #[mcp_tool(confirm = "Close the account?")]
    async fn close(runs: &State<Runs>, cx: &Context) -> Result<String, ToolError> {
        let reason: Reason = cx.elicit("Why?").await?;
        runs.count();
        Ok(reason.reason)
    }
}

async fn world() -> World {
    World::of("protocol::confirm::tools", |builder| builder).await
}

async fn call(world: &World, token: &str, params: Value) -> Reply {
    ask(world, "tools/call", params).bearer(token).send().await
}

fn delete() -> Value {
    tool("delete", &json!({ "document_id": "d1", "pages": 3 }))
}

fn yes() -> Value {
    json!({ "confirm": { "action": "accept", "content": {} } })
}

#[actix_web::test]
async fn a_tool_runs_after_a_person_agreed() {
    let world = world().await;
    let ada = world.ada();
    let (asked, state) = questions(&call(&world, &ada, delete()).await);
    assert_eq!(
        asked,
        json!({ "confirm": { "method": "elicitation/create", "params": {
            "mode": "form",
            "message": "Delete d1? It has 3 pages, {really}.",
            "requestedSchema": { "type": "object", "properties": {} },
        } } })
    );
    world.expect_runs(0);
    let reply = call(&world, &ada, again(delete(), &state, yes())).await;
    reply.expect_text("Deleted d1 of org_acme, 3");
    world.expect_runs(1);
    for (action, text) in [
        ("decline", "Not confirmed: the user declined."),
        ("cancel", "Not confirmed: the user closed the question."),
    ] {
        let (_, state) = questions(&call(&world, &ada, delete()).await);
        let no = json!({ "confirm": { "action": action } });
        let reply = call(&world, &ada, again(delete(), &state, no)).await;
        reply.expect_tool_error(text);
    }
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_function_makes_the_question_of_a_plain_tool() {
    let world = world().await;
    let ada = world.ada();
    let publish = |id: &str| tool("publish", &json!({ "document_id": id }));
    let (asked, state) = questions(&call(&world, &ada, publish("d1")).await);
    let message = &asked["confirm"]["params"]["message"];
    assert_eq!(message, "Publish d1 after 0 runs?");
    let reply = call(&world, &ada, again(publish("d1"), &state, yes())).await;
    reply.expect_text("Published d1");
    // The question has changed since it was asked, so it is asked again.
    let (_, state) = questions(&call(&world, &ada, publish("d2")).await);
    world.runs.count();
    let reply = call(&world, &ada, again(publish("d2"), &state, yes())).await;
    let (asked, _) = questions(&reply);
    assert_eq!(
        asked["confirm"]["params"]["message"],
        "Publish d2 after 2 runs?"
    );
    let reply = call(&world, &ada, publish("unknown")).await;
    reply.expect_tool_error("There is no such document");
}

#[actix_web::test]
async fn the_guard_and_authorize_come_before_the_question() {
    let world = world().await;
    let grace = call(&world, &world.grace(), delete()).await;
    grace.expect_status(200);
    assert_eq!(
        grace.text(),
        "Forbidden: org:documents:delete permission required"
    );
    let locked = tool("delete", &json!({ "document_id": "locked", "pages": 1 }));
    let reply = call(&world, &world.ada(), locked).await;
    assert_eq!(reply.text(), "Forbidden: not allowed for this document_id");
    let wrong = tool("delete", &json!({ "document_id": 7, "pages": 1 }));
    assert_eq!(
        call(&world, &world.ada(), wrong).await.result()["isError"],
        true
    );
    world.expect_runs(0);
}

#[actix_web::test]
async fn an_agreement_counts_once() {
    let world = world().await;
    let ada = world.ada();
    let (_, state) = questions(&call(&world, &ada, delete()).await);
    let confirmed = again(delete(), &state, yes());
    let both = futures_util::future::join(
        call(&world, &ada, confirmed.clone()),
        call(&world, &ada, confirmed.clone()),
    );
    let (one, other) = both.await;
    let ran = [one, other].map(|reply| reply.json().get("result").is_some());
    assert_ne!(ran[0], ran[1]);
    world.expect_runs(1);
    for _ in 0..2 {
        let reply = call(&world, &ada, confirmed.clone()).await;
        let error = reply.json()["error"].take();
        assert_eq!(error["code"], -32602);
        let text = error["message"].as_str().unwrap();
        assert!(text.contains("`requestState` was used before"), "{text}");
    }
    world.expect_runs(1);

    // A state after the confirmation counts once too.
    let close = || tool("close", &json!({}));
    let (_, state) = questions(&call(&world, &ada, close()).await);
    let reply = call(&world, &ada, again(close(), &state, yes())).await;
    let (asked, state) = questions(&reply);
    assert_eq!(asked["question-1"]["params"]["message"], "Why?");
    let because = json!({ "question-1": { "action": "accept", "content": { "reason": "Moved" } } });
    let last = again(close(), &state, because);
    call(&world, &ada, last.clone()).await.expect_text("Moved");
    assert_eq!(
        call(&world, &ada, last).await.json()["error"]["code"],
        -32602
    );
    world.expect_runs(2);
}

#[actix_web::test]
async fn an_agreement_counts_for_its_caller_its_tool_and_its_arguments() {
    let world = world().await;
    let ada = world.ada();
    let (_, state) = questions(&call(&world, &ada, delete()).await);
    let other = tool("delete", &json!({ "document_id": "d2", "pages": 3 }));
    expect_refused(&call(&world, &ada, again(other, &state, yes())).await);
    let publish = tool("publish", &json!({ "document_id": "d1" }));
    expect_refused(&call(&world, &ada, again(publish, &state, yes())).await);
    let mut another_client = TokenRequest::oauth("ada").org("acme");
    another_client.client_id = Some("client_dev".to_owned());
    let another_client = world.mint(&another_client);
    expect_refused(&call(&world, &another_client, again(delete(), &state, yes())).await);
    // An answer to a question that was not asked.
    let mut unasked = delete();
    unasked["inputResponses"] = yes();
    questions(&call(&world, &ada, unasked).await);
    world.expect_runs(0);
    let reply = call(&world, &ada, again(delete(), &state, yes())).await;
    reply.expect_text("Deleted d1 of org_acme, 3");
}

#[actix_web::test]
async fn a_client_that_cannot_ask_does_not_run_the_tool() {
    let world = world().await;
    let ada = world.ada();
    let reply = ask_as(&world, &json!({}), "tools/call", delete());
    let reply = reply.bearer(&ada).send().await;
    reply.expect_rpc_error(400, -32021);
    let legacy = world.call(
        Era::Legacy,
        "delete",
        json!({ "document_id": "d1", "pages": 3 }),
    );
    legacy.bearer(&ada).send().await.expect_tool_error(
        "This call needs an answer of the user, but the server cannot ask through this connection.",
    );
    world.expect_runs(0);
}

/// A store that servers share.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    used: Arc<Mutex<HashSet<String>>>,
    fails: bool,
}

impl ConfirmationStore for Shared {
    fn use_once<'a>(
        &'a self,
        id: &'a str,
        keep: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send + 'a>> {
        assert!(keep >= Duration::from_secs(600));
        assert_eq!(id.len(), 22);
        Box::pin(async move {
            if self.fails {
                return Err("no connection".into());
            }
            Ok(self.used.lock().unwrap().insert(id.to_owned()))
        })
    }
}

#[actix_web::test]
async fn two_servers_with_one_store_run_a_confirmed_call_once() {
    let replicas = replicas("protocol::confirm::tools").await;
    let store = Shared::default();
    let keyed = |store: Shared| {
        move |builder: ServerBuilder| builder.state_keys([KEY]).confirmation_store(store)
    };
    let one = replicas.start(keyed(store.clone())).await;
    let other = replicas.start(keyed(store)).await;
    let (_, state) = questions(&replicas.send(&one, delete()).await);
    let confirmed = again(delete(), &state, yes());
    let reply = replicas.send(&other, confirmed.clone()).await;
    reply.expect_text("Deleted d1 of org_acme, 3");
    let reply = replicas.send(&one, confirmed).await;
    assert_eq!(reply.json()["error"]["code"], -32602);
    one.expect_runs(0);

    let failing = Shared {
        fails: true,
        ..Shared::default()
    };
    let failing = replicas.start(keyed(failing)).await;
    let (_, state) = questions(&replicas.send(&failing, delete()).await);
    let reply = replicas
        .send(&failing, again(delete(), &state, yes()))
        .await;
    reply.expect_unavailable();
    failing.expect_runs(0);
}

#[actix_web::test]
async fn shared_keys_without_a_store_do_not_start() {
    let clerk = emulator().await;
    let start = async |settings: fn(ServerBuilder) -> ServerBuilder| {
        let builder = builder(&clerk).tools_of("protocol::confirm::tools");
        let builder = settings(builder.state(crate::support::Runs::default()));
        builder
            .build()
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(start(|builder| builder).await, Ok(()));
    let error = start(|builder| builder.state_keys([KEY]))
        .await
        .unwrap_err();
    assert!(error.contains("the tool `close` has `confirm`"), "{error}");
    assert_eq!(
        start(|builder| builder.state_keys([KEY]).single_process()).await,
        Ok(())
    );
}
