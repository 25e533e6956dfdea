//! Tasks: calls that continue after their response, and the requests about them.

mod notifications;
mod sqlite;

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clerk_emulator::{Emulator, TokenRequest};
use mcp_auth::{Revocation, Revocations, ServerBuilder, StoredTask, TaskStore};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::elicitation::{again, ask_as, questions, tool};
use crate::reply::Reply;
use crate::schema::{expect_error, expect_result, expect_task};
use crate::support::{Ask, ERAS, Era, World, builder, client, emulator, eventually};

mod tools {
    use mcp_auth::{Context, State, ToolError, form, mcp_tool};
    use tokio::task::yield_now;

    use super::{Counted, Gate};
    use crate::support::Runs;

    #[form]
    struct Name {
        name: String,
    }

    /// Work until the gate is open.
    #[mcp_tool(task)]
    async fn work(label: String, gate: &State<Gate>) -> String {
        let _running = Counted::of(gate);
        gate.pass().await;
        format!("Done: {label}")
    }

    /// Work on the documents of an organization.
    #[mcp_tool(task, permission = "org:documents:delete")]
    async fn guarded(gate: &State<Gate>) -> &'static str {
        gate.pass().await;
        "secret"
    }

    /// Work as a task, if the client supports tasks.
    #[mcp_tool(task = "optional")]
    async fn maybe() -> &'static str {
        yield_now().await;
        "worked"
    }

    /// Have the result at once.
    #[mcp_tool(task)]
    async fn instant() -> &'static str {
        "at once"
    }

    /// Fail after a while.
    #[mcp_tool(task)]
    async fn fail() -> Result<String, ToolError> {
        yield_now().await;
        Err(ToolError::new("No luck"))
    }

    /// Panic after a while.
    #[mcp_tool(task)]
    async fn crash() -> String {
        yield_now().await;
        panic!("the secret of the panic")
    }

    /// Never end.
    #[mcp_tool(task, timeout = 1)]
    async fn endless(gate: &State<Gate>) {
        let _running = Counted::of(gate);
        std::future::pending::<()>().await;
    }

    /// Count on a thread, until the call is cancelled or the gate is open.
    #[mcp_tool(task)]
    fn count(gate: &State<Gate>, cx: &Context) -> &'static str {
        let _running = Counted::of(gate);
        loop {
            if cx.is_cancelled() || gate.open.available_permits() > 0 {
                return "counted";
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Ask after a while.
    #[mcp_tool(task)]
    async fn approve(runs: &State<Runs>, cx: &Context) -> Result<String, ToolError> {
        runs.count();
        yield_now().await;
        let name: Name = cx.elicit("Your name?").await?;
        Ok(format!("Approved by {}", name.name))
    }

    /// Ask after a while, three times a minute.
    #[mcp_tool(task, rate = "3/min per user")]
    async fn rarely(runs: &State<Runs>, cx: &Context) -> Result<String, ToolError> {
        runs.count();
        yield_now().await;
        let name: Name = cx.elicit("Your name?").await?;
        Ok(name.name)
    }

    /// Ask for two names at once, after a while.
    #[mcp_tool(task)]
    async fn pair(cx: &Context) -> Result<String, ToolError> {
        yield_now().await;
        let (one, other) = tokio::join!(
            cx.elicit::<Name>("One?").named("one").answer(),
            cx.elicit::<Name>("Another?").named("other").answer()
        );
        let (one, other) = (one?.accepted()?, other?.accepted()?);
        Ok(format!("{} and {}", one.name, other.name))
    }

    /// Ask before the task, and in the task.
    #[mcp_tool(task)]
    async fn ask_first(cx: &Context) -> Result<String, ToolError> {
        let first: Name = cx.elicit("First?").named("first").await?;
        yield_now().await;
        let second: Name = cx.elicit("Second?").named("second").await?;
        Ok(format!("{} and {}", first.name, second.name))
    }

    /// Delete a document, if a person agrees.
    #[mcp_tool(task, confirm = "Delete {id}?")]
    async fn delete(id: String, runs: &State<Runs>) -> String {
        runs.count();
        yield_now().await;
        format!("Deleted {id}")
    }

    /// Ask a model after a while.
    #[mcp_tool(task)]
    async fn roots(cx: &Context) -> Result<String, ToolError> {
        yield_now().await;
        let roots = cx.list_roots().await?;
        Ok(roots.len().to_string())
    }

    /// Work for everybody.
    #[mcp_tool(task, public)]
    async fn for_all() -> &'static str {
        yield_now().await;
        "for all"
    }
}

mod plain_tools {
    use mcp_auth::mcp_tool;

    /// Say nothing.
    #[mcp_tool]
    async fn silent() -> &'static str {
        "silent"
    }
}

/// Holds functions back, and counts those that run.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    open: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self {
            open: Arc::new(Semaphore::new(0)),
            running: Arc::default(),
        }
    }

    async fn pass(&self) {
        let _ = self.open.acquire().await;
    }

    fn open(&self) {
        self.open.add_permits(1_000);
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn of(gate: &Gate) -> Self {
        gate.running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&gate.running))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

const TOOLS: &str = "protocol::tasks::tools";

async fn world() -> (World, Gate) {
    with(|builder| builder).await
}

async fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (World, Gate) {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of(TOOLS, |builder| settings(builder.state(state))).await;
    (world, gate)
}

fn capabilities() -> Value {
    json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

fn ask(world: &World, method: &str, params: Value) -> Ask {
    ask_as(world, &capabilities(), method, params)
}

async fn call(world: &World, token: &str, params: Value) -> Reply {
    ask(world, "tools/call", params).bearer(token).send().await
}

/// Makes a task, and returns its id.
async fn begin(world: &World, token: &str, name: &str, arguments: Value) -> String {
    created(&call(world, token, tool(name, &arguments)).await)
}

#[track_caller]
fn created(reply: &Reply) -> String {
    let result = reply.result();
    expect_task("CreateTaskResult", &result);
    assert_eq!(result["resultType"], "task", "{result}");
    for member in [
        "task",
        "result",
        "error",
        "inputRequests",
        "requestState",
        "ttl",
    ] {
        assert!(result.get(member).is_none(), "{result}");
    }
    result["taskId"].as_str().unwrap().to_owned()
}

async fn send(world: &World, token: &str, method: &str, params: Value) -> Reply {
    ask(world, method, params).bearer(token).send().await
}

async fn get(world: &World, token: &str, id: &str) -> Value {
    let reply = send(world, token, "tasks/get", json!({ "taskId": id })).await;
    let result = reply.result();
    expect_task("GetTaskResult", &result);
    assert_eq!(result["resultType"], "complete", "{result}");
    assert_eq!(result["taskId"], id);
    assert!(result.get("requestState").is_none(), "{result}");
    result
}

/// Asks for the task until it has this status.
async fn until(world: &World, token: &str, id: &str, status: &str) -> Value {
    for _ in 0..2_000 {
        let task = get(world, token, id).await;
        if task["status"] == status {
            return task;
        }
        assert!(
            ["working", "input_required"].contains(&task["status"].as_str().unwrap()),
            "{task}"
        );
        sleep(Duration::from_millis(5)).await;
    }
    panic!("never {status}")
}

async fn update(world: &World, token: &str, id: &str, answers: Value) {
    let params = json!({ "taskId": id, "inputResponses": answers });
    acknowledged(&send(world, token, "tasks/update", params).await);
}

async fn cancel(world: &World, token: &str, id: &str) {
    acknowledged(&send(world, token, "tasks/cancel", json!({ "taskId": id })).await);
}

#[track_caller]
fn acknowledged(reply: &Reply) {
    let result = reply.result();
    expect_task("UpdateTaskResult", &result);
    let members: Vec<_> = result.as_object().unwrap().keys().collect();
    assert_eq!(members, ["_meta", "resultType"]);
}

fn named(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

fn keys(task: &Value) -> Vec<String> {
    let questions = task["inputRequests"].as_object().unwrap();
    questions.keys().cloned().collect()
}

#[track_caller]
fn text(task: &Value) -> &str {
    assert_eq!(task["status"], "completed", "{task}");
    task["result"]["content"][0]["text"].as_str().unwrap()
}

/// Expects that the caller learns nothing about a task: every request gets the response for an unknown id.
async fn expect_unknown(world: &World, token: &str, id: &str) {
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = |id| json!({ "taskId": id, "inputResponses": { "question-1.1": {} } });
        let unknown = send(world, token, method, params("x".repeat(43))).await;
        expect_error(Era::Modern, 200, -32602, &unknown);
        let reply = send(world, token, method, params(id.to_owned())).await;
        assert_eq!(reply.json(), unknown.json(), "{method}");
        assert_eq!(reply.status, unknown.status);
    }
}

#[actix_web::test]
async fn a_task_ends_after_its_response_and_keeps_its_result() {
    let (world, gate) = world().await;
    let ada = world.ada();
    // The connection of the call is closed before the task ends.
    let http = client();
    let request = ask(&world, "tools/call", tool("work", &json!({ "label": "a" })));
    let reply = request.bearer(&ada).over(&http).send().await;
    drop(http);
    let id = created(&reply);
    let made = reply.result();
    assert!(id.len() >= 22, "128 bits at least");
    assert_eq!(made["status"], "working");
    assert_eq!(made["pollIntervalMs"], 1_000);
    assert_eq!(made["ttlMs"], 7_200_000);
    assert_eq!(made["createdAt"], made["lastUpdatedAt"]);
    assert_eq!(get(&world, &ada, &id).await["status"], "working");
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(gate.running(), 1);
    let other = begin(&world, &ada, "work", json!({ "label": "b" })).await;
    assert_ne!(other, id);
    gate.open();
    let task = until(&world, &ada, &id, "completed").await;
    assert_eq!(text(&task), "Done: a");
    assert_eq!(task["result"]["resultType"], "complete");
    assert_eq!(task["createdAt"], made["createdAt"]);
    assert_ne!(task["lastUpdatedAt"], made["lastUpdatedAt"]);
    assert_eq!(get(&world, &ada, &id).await, task);
}

#[actix_web::test]
async fn only_a_client_with_the_extension_gets_a_task() {
    let (world, _) = world().await;
    let ada = world.ada();
    let without = |name: &str| {
        let params = tool(name, &json!({}));
        ask_as(&world, &json!({ "elicitation": {} }), "tools/call", params).bearer(&ada)
    };
    let reply = without("maybe").send().await;
    reply.expect_text("worked");
    assert_eq!(reply.result()["resultType"], "complete");
    let id = begin(&world, &ada, "maybe", json!({})).await;
    let task = until(&world, &ada, &id, "completed").await;
    assert_eq!(text(&task), "worked");
    let reply = without("fail").send().await;
    let error = expect_error(Era::Modern, 400, -32021, &reply);
    assert_eq!(
        error["error"]["data"],
        json!({ "requiredCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } } })
    );
    let legacy = |name| world.call(Era::Legacy, name, json!({})).bearer(&ada);
    legacy("maybe").send().await.expect_text("worked");
    let reply = legacy("fail").send().await;
    let error = expect_error(Era::Legacy, 200, -32603, &reply);
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("This tool runs as a task."),
        "{message}"
    );
    // The old parameter asks for nothing.
    let mut params = tool("maybe", &json!({}));
    params["task"] = json!({ "ttl": 60_000 });
    let legacy = world.ask(Era::Legacy, "tools/call", params);
    legacy.bearer(&ada).send().await.expect_text("worked");
}

#[actix_web::test]
async fn a_task_belongs_to_the_caller_of_a_token() {
    let (world, _) = world().await;
    let reply = ask(&world, "tools/call", tool("for_all", &json!({})));
    reply.send().await.expect_status(401);
    let reply = ask(&world, "tasks/get", json!({ "taskId": "any" }));
    reply.send().await.expect_status(401);
    let ada = world.ada();
    let id = begin(&world, &ada, "for_all", json!({})).await;
    until(&world, &ada, &id, "completed").await;
}

#[actix_web::test]
async fn the_guard_and_the_arguments_are_checked_before_a_task_is_made() {
    let (world, _) = world().await;
    let grace = world.grace();
    let denied = call(&world, &grace, tool("guarded", &json!({}))).await;
    assert_eq!(denied.result()["isError"], true);
    assert_eq!(denied.text(), crate::support::PERMISSION_DENIED);
    let wrong = call(&world, &grace, tool("work", &json!({ "label": 7 }))).await;
    assert_eq!(wrong.result()["isError"], true);
    assert_eq!(wrong.result()["resultType"], "complete");
    // The denial comes before the missing capability.
    let params = tool("guarded", &json!({}));
    let without = ask_as(&world, &json!({}), "tools/call", params).bearer(&grace);
    assert_eq!(
        without.send().await.text(),
        crate::support::PERMISSION_DENIED
    );
}

#[actix_web::test]
async fn a_result_before_the_first_wait_is_an_ordinary_result() {
    let (world, _) = world().await;
    let reply = call(&world, &world.ada(), tool("instant", &json!({}))).await;
    expect_result(Era::Modern, "CallToolResult", &reply);
    reply.expect_text("at once");
}

#[actix_web::test]
async fn questions_before_the_first_wait_are_asked_before_the_task() {
    let (world, _) = world().await;
    let ada = world.ada();
    let params = tool("ask_first", &json!({}));
    let reply = call(&world, &ada, params.clone()).await;
    assert!(reply.result().get("taskId").is_none());
    let (_, state) = questions(&reply);
    let answered = again(params, &state, json!({ "first": named("Ada") }));
    let id = created(&call(&world, &ada, answered).await);
    let task = until(&world, &ada, &id, "input_required").await;
    assert_eq!(keys(&task), ["second.2"]);
    update(&world, &ada, &id, json!({ "second.2": named("Bob") })).await;
    let task = until(&world, &ada, &id, "completed").await;
    assert_eq!(text(&task), "Ada and Bob");
}

#[actix_web::test]
async fn a_person_confirms_before_the_task_is_made() {
    let (world, _) = world().await;
    let ada = world.ada();
    let params = tool("delete", &json!({ "id": "d1" }));
    let (_, state) = questions(&call(&world, &ada, params.clone()).await);
    world.expect_runs(0);
    let yes = json!({ "confirm": { "action": "accept", "content": {} } });
    let confirmed = again(params.clone(), &state, yes);
    let id = created(&call(&world, &ada, confirmed.clone()).await);
    assert_eq!(
        text(&until(&world, &ada, &id, "completed").await),
        "Deleted d1"
    );
    let twice = call(&world, &ada, confirmed).await;
    assert_eq!(twice.json()["error"]["code"], -32602);
    world.expect_runs(1);
    let (_, state) = questions(&call(&world, &ada, params.clone()).await);
    let no = again(
        params,
        &state,
        json!({ "confirm": { "action": "decline" } }),
    );
    let reply = call(&world, &ada, no).await;
    reply.expect_tool_error("Not confirmed: the user declined.");
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_task_waits_for_answers_and_continues() {
    let (world, _) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "approve", json!({})).await;
    let task = until(&world, &ada, &id, "input_required").await;
    let question = &task["inputRequests"]["question-1.1"];
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "Your name?");
    // Answers to other questions are ignored.
    update(
        &world,
        &ada,
        &id,
        json!({ "other": named("Eve"), "question-1": named("Eve") }),
    )
    .await;
    assert_eq!(get(&world, &ada, &id).await, task);
    // An answer that does not fit is asked for again, under another key.
    let wrong = json!({ "action": "accept", "content": { "name": 7 } });
    update(&world, &ada, &id, json!({ "question-1.1": wrong })).await;
    let task = until(&world, &ada, &id, "input_required").await;
    assert_eq!(keys(&task), ["question-1.2"]);
    let message = &task["inputRequests"]["question-1.2"]["params"]["message"];
    assert!(message.as_str().unwrap().contains("was not accepted"));
    update(&world, &ada, &id, json!({ "question-1.1": named("Eve") })).await;
    update(&world, &ada, &id, json!({ "question-1.2": named("Ada") })).await;
    let task = until(&world, &ada, &id, "completed").await;
    assert_eq!(text(&task), "Approved by Ada");
    // A task that has ended takes no answers.
    update(&world, &ada, &id, json!({ "question-1.2": named("Eve") })).await;
    assert_eq!(get(&world, &ada, &id).await, task);
    world.expect_runs(3);
}

#[actix_web::test]
async fn an_update_that_runs_the_function_counts_for_the_rates_of_the_tool() {
    let (world, _gate) = world().await;
    let ada = world.ada();
    let answers = |name: &str| json!({ "question-1.1": named(name) });
    let first = begin(&world, &ada, "rarely", json!({})).await;
    until(&world, &ada, &first, "input_required").await;
    let second = begin(&world, &ada, "rarely", json!({})).await;
    until(&world, &ada, &second, "input_required").await;
    // An update that answers nothing does not run the function.
    update(&world, &ada, &first, json!({ "unknown": named("Ada") })).await;
    update(&world, &ada, &first, answers("Ada")).await;
    assert_eq!(text(&until(&world, &ada, &first, "completed").await), "Ada");
    world.expect_runs(3);
    let params = json!({ "taskId": second, "inputResponses": answers("Bob") });
    let reply = send(&world, &ada, "tasks/update", params).await;
    expect_error(Era::Modern, 200, 429, &reply);
    assert_eq!(get(&world, &ada, &second).await["status"], "input_required");
    world.expect_runs(3);
    world.clock.advance(Duration::from_secs(61));
    update(&world, &ada, &second, answers("Bob")).await;
    assert_eq!(
        text(&until(&world, &ada, &second, "completed").await),
        "Bob"
    );
    world.expect_runs(4);
}

#[actix_web::test]
async fn a_task_waits_until_all_questions_are_answered() {
    let (world, _) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "pair", json!({})).await;
    let task = until(&world, &ada, &id, "input_required").await;
    assert_eq!(keys(&task), ["one.1", "other.1"]);
    update(&world, &ada, &id, json!({ "one.1": named("Ada") })).await;
    let task = get(&world, &ada, &id).await;
    assert_eq!(task["status"], "input_required");
    assert_eq!(keys(&task), ["other.1"]);
    update(
        &world,
        &ada,
        &id,
        json!({ "one.1": named("Eve"), "other.1": named("Bob") }),
    )
    .await;
    let task = until(&world, &ada, &id, "completed").await;
    assert_eq!(text(&task), "Ada and Bob");
}

#[actix_web::test]
async fn a_question_that_the_client_cannot_answer_fails_the_task() {
    let (world, _) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "roots", json!({})).await;
    let task = until(&world, &ada, &id, "failed").await;
    assert_eq!(task["error"]["code"], -32021);
    assert_eq!(
        task["error"]["data"]["requiredCapabilities"],
        json!({ "roots": {} })
    );
}

#[actix_web::test]
async fn an_error_of_the_function_is_a_result_and_a_fault_fails_the_task() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "fail", json!({})).await;
    let task = until(&world, &ada, &id, "completed").await;
    assert_eq!(text(&task), "No luck");
    assert_eq!(task["result"]["isError"], true);
    for name in ["crash", "endless"] {
        let id = begin(&world, &ada, name, json!({})).await;
        let task = until(&world, &ada, &id, "failed").await;
        assert_eq!(task["error"]["code"], -32603);
        let message = task["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("Internal error, reference "),
            "{message}"
        );
        assert!(task.get("result").is_none());
    }
    assert_eq!(gate.running(), 0);
}

#[actix_web::test]
async fn a_plain_function_runs_as_a_task_and_learns_that_it_was_cancelled() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "count", json!({})).await;
    eventually("running", || gate.running() == 1).await;
    cancel(&world, &ada, &id).await;
    eventually("cancelled", || gate.running() == 0).await;
    assert_eq!(get(&world, &ada, &id).await["status"], "cancelled");
    let id = begin(&world, &ada, "count", json!({})).await;
    gate.open();
    let task = until(&world, &ada, &id, "completed").await;
    assert_eq!(text(&task), "counted");
}

#[actix_web::test]
async fn a_cancelled_task_stops() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "work", json!({ "label": "a" })).await;
    assert_eq!(gate.running(), 1);
    cancel(&world, &ada, &id).await;
    eventually("dropped", || gate.running() == 0).await;
    let task = get(&world, &ada, &id).await;
    assert_eq!(task["status"], "cancelled");
    cancel(&world, &ada, &id).await;
    update(&world, &ada, &id, json!({})).await;
    assert_eq!(get(&world, &ada, &id).await, task);
    // A task that waits for an answer is cancelled too, and a task that has ended is not.
    let id = begin(&world, &ada, "approve", json!({})).await;
    until(&world, &ada, &id, "input_required").await;
    cancel(&world, &ada, &id).await;
    update(&world, &ada, &id, json!({ "question-1.1": named("Ada") })).await;
    assert_eq!(get(&world, &ada, &id).await["status"], "cancelled");
    let id = begin(&world, &ada, "fail", json!({})).await;
    let task = until(&world, &ada, &id, "completed").await;
    cancel(&world, &ada, &id).await;
    assert_eq!(get(&world, &ada, &id).await, task);
}

#[actix_web::test]
async fn task_requests_are_checked_like_others() {
    let (world, _) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "work", json!({ "label": "a" })).await;
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = json!({ "taskId": id });
        let without = ask_as(&world, &json!({}), method, params.clone()).bearer(&ada);
        let error = expect_error(Era::Modern, 400, -32021, &without.send().await);
        assert_eq!(
            error["error"]["data"]["requiredCapabilities"],
            json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } })
        );
        let unknown = json!({ "taskId": "unknown" });
        let without = ask_as(&world, &json!({}), method, unknown.clone()).bearer(&ada);
        expect_error(Era::Modern, 400, -32021, &without.send().await);
        let wrong = ask(&world, method, params.clone()).bearer(&ada);
        let wrong = wrong.without("mcp-name").header("mcp-name", "other");
        expect_error(Era::Modern, 400, -32020, &wrong.send().await);
        let none = ask(&world, method, params.clone()).bearer(&ada);
        expect_error(
            Era::Modern,
            400,
            -32020,
            &none.without("mcp-name").send().await,
        );
        expect_error(
            Era::Modern,
            200,
            -32602,
            &send(&world, &ada, method, unknown).await,
        );
        expect_error(
            Era::Modern,
            200,
            -32602,
            &send(&world, &ada, method, json!({})).await,
        );
        let long = json!({ "taskId": "x".repeat(1_000) });
        expect_error(
            Era::Modern,
            200,
            -32602,
            &send(&world, &ada, method, long).await,
        );
        let legacy = world.ask(Era::Legacy, method, params).bearer(&ada);
        expect_error(Era::Legacy, 200, -32601, &legacy.send().await);
    }
    let odd = json!({ "taskId": id, "inputResponses": [] });
    expect_error(
        Era::Modern,
        200,
        -32602,
        &send(&world, &ada, "tasks/update", odd).await,
    );
    for method in ["tasks/list", "tasks/result"] {
        let reply = send(&world, &ada, method, json!({ "taskId": id })).await;
        expect_error(Era::Modern, 404, -32601, &reply);
    }
    cancel(&world, &ada, &id).await;
}

#[actix_web::test]
async fn the_extension_is_advertised_if_a_tool_has_tasks() {
    let (world, _) = world().await;
    let ada = world.ada();
    let discover = |world: &World| world.ask(Era::Modern, "server/discover", json!({}));
    let capabilities = discover(&world).bearer(&ada).send().await.result()["capabilities"].take();
    assert_eq!(
        capabilities["extensions"],
        json!({ "io.modelcontextprotocol/tasks": {} })
    );
    assert!(capabilities.get("tasks").is_none());
    let offer = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {
        "name": "tests", "version": "1",
    } });
    let legacy = world.ask(Era::Legacy, "initialize", offer).bearer(&ada);
    let capabilities = legacy.send().await.result()["capabilities"].take();
    assert!(capabilities.get("extensions").is_none());
    let world = World::of("protocol::tasks::plain_tools", |builder| builder).await;
    let ada = world.ada();
    let capabilities = discover(&world).bearer(&ada).send().await.result()["capabilities"].take();
    assert!(capabilities.get("extensions").is_none());
    let reply = send(&world, &ada, "tasks/get", json!({ "taskId": "any" })).await;
    expect_error(Era::Modern, 404, -32601, &reply);
}

#[actix_web::test]
async fn t08_a_task_of_another_principal_is_unknown() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let working = begin(&world, &ada, "guarded", json!({})).await;
    let waiting = begin(&world, &ada, "approve", json!({})).await;
    let before = until(&world, &ada, &waiting, "input_required").await;
    let others = [
        TokenRequest::oauth("grace").org("acme"),
        TokenRequest::oauth("ada")
            .org("acme")
            .client_id("client_dev"),
        TokenRequest::oauth("ada"),
    ];
    for other in &others {
        let other = world.mint(other);
        expect_unknown(&world, &other, &working).await;
        expect_unknown(&world, &other, &waiting).await;
    }
    assert_eq!(get(&world, &ada, &waiting).await, before);
    gate.open();
    let task = until(&world, &ada, &working, "completed").await;
    assert_eq!(text(&task), "secret");
    let other = world.mint(&TokenRequest::oauth("grace").org("acme"));
    expect_unknown(&world, &other, &working).await;
    // While Clerk is down, a foreign task is still unknown.
    world.instance.fail_with(Some(503));
    world.clock.advance(Duration::from_secs(31));
    let reply = send(&world, &other, "tasks/get", json!({ "taskId": working })).await;
    expect_error(Era::Modern, 200, -32602, &reply);
    let reply = send(&world, &ada, "tasks/get", json!({ "taskId": working })).await;
    reply.expect_unavailable();
}

#[actix_web::test]
async fn t02_a_task_of_a_removed_member_is_not_delivered() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "guarded", json!({})).await;
    gate.open();
    until(&world, &ada, &id, "completed").await;
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(31));
    expect_unknown(&world, &ada, &id).await;
}

#[actix_web::test]
async fn a_task_expires() {
    let (world, gate) = with(|builder| builder.task_ttl(Duration::from_secs(60))).await;
    let ada = world.ada();
    let id = begin(&world, &ada, "work", json!({ "label": "a" })).await;
    gate.open();
    let task = until(&world, &ada, &id, "completed").await;
    let ttl = task["ttlMs"].as_u64().unwrap();
    assert_eq!(ttl, 120_000, "60 s to run, and 60 s to fetch the result");
    world.clock.advance(Duration::from_millis(ttl - 1));
    get(&world, &ada, &id).await;
    world.clock.advance(Duration::from_millis(1));
    expect_unknown(&world, &ada, &id).await;
}

#[actix_web::test]
async fn the_tasks_of_a_caller_are_limited() {
    let (world, _) = with(|builder| builder.tasks_per_caller(2)).await;
    let ada = world.ada();
    for _ in 0..2 {
        begin(&world, &ada, "fail", json!({})).await;
    }
    let reply = call(&world, &ada, tool("fail", &json!({}))).await;
    assert_eq!(reply.result()["isError"], true);
    assert!(
        reply.text().starts_with("There is no room"),
        "{}",
        reply.text()
    );
    let grace = world.grace();
    begin(&world, &grace, "fail", json!({})).await;
    world.clock.advance(Duration::from_secs(7_300));
    begin(&world, &world.ada(), "fail", json!({})).await;
}

#[actix_web::test]
async fn a_running_task_is_a_call_in_flight() {
    let (world, gate) = with(|builder| builder.calls_in_flight(2)).await;
    let ada = world.ada();
    let first = begin(&world, &ada, "work", json!({ "label": "a" })).await;
    let waiting = begin(&world, &ada, "approve", json!({})).await;
    until(&world, &ada, &waiting, "input_required").await;
    // A task that waits for an answer is not in flight.
    let second = begin(&world, &ada, "work", json!({ "label": "b" })).await;
    let busy = call(&world, &ada, tool("work", &json!({ "label": "c" }))).await;
    busy.expect_unavailable();
    let answers = json!({ "question-1.1": named("Ada") });
    let params = json!({ "taskId": waiting, "inputResponses": answers });
    let busy = send(&world, &ada, "tasks/update", params.clone()).await;
    busy.expect_unavailable();
    let task = get(&world, &ada, &waiting).await;
    assert_eq!(keys(&task), ["question-1.1"], "the answer was not lost");
    cancel(&world, &ada, &first).await;
    eventually("dropped", || gate.running() == 1).await;
    acknowledged(&send(&world, &ada, "tasks/update", params).await);
    until(&world, &ada, &waiting, "completed").await;
    cancel(&world, &ada, &second).await;
}

/// A store that several servers share, and that can fail.
#[derive(Clone, Default)]
struct Shared(Arc<std::sync::Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    tasks: std::collections::HashMap<String, StoredTask>,
    fails: bool,
}

type Stored<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

impl Shared {
    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Inner) -> T) -> Stored<'_, T> {
        let mut inner = self.0.lock().unwrap();
        let outcome = match inner.fails {
            true => Err("down".into()),
            false => Ok(work(&mut inner)),
        };
        Box::pin(std::future::ready(outcome))
    }
}

impl TaskStore for Shared {
    fn create(&self, task: StoredTask) -> Stored<'_, bool> {
        self.with(|inner| {
            inner.tasks.insert(task.id.clone(), task);
            true
        })
    }

    fn load<'a>(&'a self, id: &'a str) -> Stored<'a, Option<StoredTask>> {
        self.with(|inner| inner.tasks.get(id).cloned())
    }

    fn replace(&self, task: StoredTask) -> Stored<'_, bool> {
        self.with(|inner| match inner.tasks.get_mut(&task.id) {
            Some(stored) if stored.revision + 1 == task.revision => {
                *stored = task;
                true
            }
            Some(_) | None => false,
        })
    }
}

/// Two servers that share their Clerk, their URL and their store.
async fn replicas() -> (World, World, Gate) {
    let (clerk, gate, store) = (emulator().await, Gate::closed(), Shared::default());
    let start = async |own| {
        let (gate, store) = (gate.clone(), store.clone());
        let settings = |builder: ServerBuilder| {
            let builder = builder.url("http://localhost:3999/mcp");
            builder.state(gate).task_store(store)
        };
        World::built(own, TOOLS, settings, |_| builder(&clerk)).await
    };
    let (one, mut other) = (start(emulator().await).await, start(emulator().await).await);
    other.instance = clerk.instance().clone();
    let mut one = one;
    one.instance = clerk.instance().clone();
    other.clerk = Some(clerk);
    (one, other, gate)
}

fn at_url(ask: Ask) -> Ask {
    ask.header("host", "localhost:3999")
}

async fn request(world: &World, token: &str, method: &str, params: Value) -> Value {
    let ask = at_url(ask(world, method, params)).bearer(token);
    ask.send().await.result()
}

#[actix_web::test]
async fn a_task_survives_its_server_in_a_shared_store() {
    let (mut old, new, gate) = replicas().await;
    let ada = old.ada();
    let begin = async |name: &str| {
        let params = tool(name, &json!({ "label": "a" }));
        let params = if name == "work" {
            params
        } else {
            tool(name, &json!({}))
        };
        let made = request(&old, &ada, "tools/call", params).await;
        made["taskId"].as_str().unwrap().to_owned()
    };
    let get = async |world: &World, id: &str| {
        request(world, &ada, "tasks/get", json!({ "taskId": id })).await
    };
    let finished = begin("fail").await;
    let waiting = begin("approve").await;
    while get(&old, &finished).await["status"] == "working"
        || get(&old, &waiting).await["status"] == "working"
    {
        sleep(Duration::from_millis(5)).await;
    }
    let running = begin("work").await;
    assert_eq!(get(&new, &running).await["status"], "working");
    let stopped = old.server.stop();
    stopped.await.unwrap();
    assert_eq!(gate.running(), 0);
    let task = get(&new, &running).await;
    assert_eq!(task["status"], "failed");
    let message = task["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("The server was stopped"), "{message}");
    assert_eq!(text(&get(&new, &finished).await), "No luck");
    let answers = json!({ "question-1.1": named("Ada") });
    let params = json!({ "taskId": waiting, "inputResponses": answers });
    request(&new, &ada, "tasks/update", params).await;
    while get(&new, &waiting).await["status"] == "working" {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(text(&get(&new, &waiting).await), "Approved by Ada");
}

#[actix_web::test]
async fn a_task_whose_server_is_gone_fails() {
    let (old, new, gate) = replicas().await;
    let ada = old.ada();
    let made = request(
        &old,
        &ada,
        "tools/call",
        tool("work", &json!({ "label": "a" })),
    )
    .await;
    let id = json!({ "taskId": made["taskId"] });
    let get = async |world: &World| request(world, &ada, "tasks/get", id.clone()).await;
    new.clock.advance(Duration::from_secs(59));
    assert_eq!(get(&new).await["status"], "working");
    // The server that runs the task knows that it runs.
    old.clock.advance(Duration::from_secs(61));
    assert_eq!(get(&old).await["status"], "working");
    new.clock.advance(Duration::from_secs(2));
    let task = get(&new).await;
    assert_eq!(task["status"], "failed");
    let message = task["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("The server was restarted"), "{message}");
    // The old server does not change a task that has ended.
    gate.open();
    eventually("ended", || gate.running() == 0).await;
    assert_eq!(get(&old).await["status"], "failed");
}

#[actix_web::test]
async fn without_its_store_no_task_is_made_and_none_is_shown() {
    let store = Shared::default();
    let own = store.clone();
    let (world, gate) = with(|builder| builder.task_store(own)).await;
    let ada = world.ada();
    let id = begin(&world, &ada, "work", json!({ "label": "a" })).await;
    store.0.lock().unwrap().fails = true;
    let reply = call(&world, &ada, tool("work", &json!({ "label": "b" }))).await;
    reply.expect_unavailable();
    eventually("dropped", || gate.running() == 1).await;
    for method in ["tasks/get", "tasks/cancel"] {
        let reply = send(&world, &ada, method, json!({ "taskId": id })).await;
        reply.expect_unavailable();
    }
    store.0.lock().unwrap().fails = false;
    cancel(&world, &ada, &id).await;
    for era in ERAS {
        let listed = world.list(era).bearer(&ada).send().await.tools();
        assert!(listed.contains(&"work".to_owned()));
    }
}

#[actix_web::test]
async fn a_running_task_of_a_revoked_caller_ends_within_a_second_and_its_result_is_not_delivered() {
    let mut revocations = Revocations::default();
    let (world, gate) = with(|builder| {
        revocations = builder.revocations();
        builder
    })
    .await;
    let (ada, grace) = (world.ada(), world.grace());
    let done = begin(&world, &ada, "maybe", json!({})).await;
    until(&world, &ada, &done, "completed").await;
    let asking = begin(&world, &ada, "approve", json!({})).await;
    until(&world, &ada, &asking, "input_required").await;
    let mut running = Vec::new();
    for _ in 0..8 {
        running.push(begin(&world, &ada, "work", json!({ "label": "a" })).await);
    }
    let other = begin(&world, &grace, "work", json!({ "label": "b" })).await;
    assert_eq!(gate.running(), 9);
    let begun = std::time::Instant::now();
    revocations.revoke(Revocation::subject("user_ada"));
    eventually("the functions end", || gate.running() == 1).await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    for id in running.iter().chain([&done, &asking]) {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let params = json!({ "taskId": id, "inputResponses": {} });
            send(&world, &ada, method, params).await.expect_status(401);
        }
    }
    gate.open();
    until(&world, &grace, &other, "completed").await;
    assert!(revocations.lift(&Revocation::subject("user_ada")));
    for id in &running {
        let task = get(&world, &ada, id).await;
        assert_eq!(task["status"], "failed", "{task}");
        let text = "The access of the caller was revoked while the task ran.";
        assert_eq!(task["error"]["message"], text, "{task}");
    }
    // A task that had ended, and a task that waits for a person, are as before.
    assert_eq!(text(&get(&world, &ada, &done).await), "worked");
    assert_eq!(get(&world, &ada, &asking).await["status"], "input_required");
}
