//! `notifications/tasks`: a stream of `subscriptions/listen` tells a client that a task changed.

use super::*;
use crate::subscriptions::Listener;

fn listen_to(world: &World, ids: &[&str]) -> Ask {
    let params = json!({ "notifications": { "taskIds": ids } });
    ask(world, "subscriptions/listen", params)
}

async fn listen(world: &World, token: &str, ids: &[&str]) -> Listener {
    Listener::open(listen_to(world, ids).bearer(token)).await
}

/// The next state of a task.
async fn next(listener: &mut Listener) -> Value {
    let message = listener.message().await.expect("the stream ended");
    expect_task("TaskStatusNotification", &message);
    assert_eq!(message["method"], "notifications/tasks");
    let mut task = message["params"].clone();
    task.as_object_mut().unwrap().remove("_meta");
    task
}

/// The task as `tasks/get` shows it.
async fn shown(world: &World, token: &str, id: &str) -> Value {
    let mut task = get(world, token, id).await;
    let members = task.as_object_mut().unwrap();
    members.remove("_meta");
    members.remove("resultType");
    task
}

#[actix_web::test]
async fn a_stream_has_the_state_of_a_task_and_each_change_until_it_ends() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "work", json!({ "label": "a" })).await;
    let mut listener = listen(&world, &ada, &[&id, &id]).await;
    assert_eq!(listener.acknowledged, json!({ "taskIds": [id] }));
    assert_eq!(next(&mut listener).await, shown(&world, &ada, &id).await);
    gate.open();
    let task = next(&mut listener).await;
    assert_eq!(text(&task), "Done: a");
    assert_eq!(task, shown(&world, &ada, &id).await);
    // No task is left.
    listener.expect_end().await;
    // A task that ended before the stream was open is told too.
    let mut listener = listen(&world, &ada, &[&id]).await;
    assert_eq!(next(&mut listener).await, task);
    listener.expect_end().await;
}

#[actix_web::test]
async fn a_stream_tells_of_questions_and_of_cancellations() {
    let (world, _gate) = world().await;
    let ada = world.ada();
    let asking = begin(&world, &ada, "approve", json!({})).await;
    until(&world, &ada, &asking, "input_required").await;
    let mut listener = listen(&world, &ada, &[&asking]).await;
    let task = next(&mut listener).await;
    assert_eq!(task["status"], "input_required");
    assert_eq!(keys(&task), ["question-1.1"]);
    update(
        &world,
        &ada,
        &asking,
        json!({ "question-1.1": named("Ada") }),
    )
    .await;
    let mut task = next(&mut listener).await;
    // Two changes within 100 ms are one notification.
    if task["status"] == "working" {
        task = next(&mut listener).await;
    }
    assert_eq!(text(&task), "Approved by Ada");
    listener.expect_end().await;

    let running = begin(&world, &ada, "work", json!({ "label": "a" })).await;
    let mut listener = listen(&world, &ada, &[&running]).await;
    assert_eq!(next(&mut listener).await["status"], "working");
    cancel(&world, &ada, &running).await;
    assert_eq!(next(&mut listener).await["status"], "cancelled");
    listener.expect_end().await;
}

#[actix_web::test]
async fn a_task_of_another_caller_and_an_unknown_task_are_left_out_alike() {
    let (world, _gate) = world().await;
    let (ada, grace) = (world.ada(), world.grace());
    let id = begin(&world, &ada, "work", json!({ "label": "a" })).await;
    let mut other_client = TokenRequest::oauth("ada").org("acme");
    other_client.client_id = Some("client_dev".to_owned());
    let unknown = "x".repeat(43);
    let long = "x".repeat(100);
    for token in [grace, world.mint(&other_client)] {
        let listener = listen(&world, &token, &[&id, &unknown, &long]).await;
        assert_eq!(listener.acknowledged, json!({}));
        listener.expect_end().await;
    }
    let mut own = listen(&world, &ada, &[&id, &unknown]).await;
    assert_eq!(own.acknowledged, json!({ "taskIds": [id] }));
    assert_eq!(next(&mut own).await["taskId"], id);
}

#[actix_web::test]
async fn a_removed_member_does_not_learn_how_a_task_ends() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let id = begin(&world, &ada, "guarded", json!({})).await;
    let mut listener = listen(&world, &ada, &[&id]).await;
    assert_eq!(next(&mut listener).await["status"], "working");
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(31));
    gate.open();
    listener.expect_end().await;
}

#[actix_web::test]
async fn only_a_client_with_the_extension_listens_to_tasks() {
    let (world, _gate) = world().await;
    let params = json!({ "notifications": { "taskIds": ["x"] } });
    let without = ask_as(&world, &json!({}), "subscriptions/listen", params);
    let reply = without.bearer(&world.ada()).send().await;
    reply.expect_rpc_error(400, -32021);
    let required = &reply.json()["error"]["data"]["requiredCapabilities"];
    let expected = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    assert_eq!(required, &expected);
    let many: Vec<_> = (0..257).map(|id| id.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let reply = listen_to(&world, &many).bearer(&world.ada()).send().await;
    expect_error(Era::Modern, 200, -32602, &reply);
    // A server without tasks has none to tell of.
    let world = World::of("protocol::tasks::plain_tools", |builder| builder).await;
    let listener = listen(&world, &world.ada(), &["x"]).await;
    assert_eq!(listener.acknowledged, json!({}));
    listener.expect_end().await;
}

#[actix_web::test]
async fn a_stream_tells_of_a_task_that_another_process_runs() {
    let (old, new, gate) = replicas().await;
    let ada = old.ada();
    let params = tool("work", &json!({ "label": "a" }));
    let made = request(&old, &ada, "tools/call", params).await;
    let id = made["taskId"].as_str().unwrap();
    let ask = at_url(listen_to(&new, &[id])).bearer(&ada);
    let mut listener = Listener::open(ask).await;
    assert_eq!(next(&mut listener).await["status"], "working");
    gate.open();
    eventually("ended", || gate.running() == 0).await;
    new.clock.advance(Duration::from_secs(6));
    assert_eq!(text(&next(&mut listener).await), "Done: a");
    listener.expect_end().await;
}
