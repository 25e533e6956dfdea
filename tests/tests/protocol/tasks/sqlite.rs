//! The store of the example `everything`, which keeps tasks in SQLite, across restarts of the server.

use std::path::Path;

use super::*;

#[path = "../../../../examples/everything/src/task_store.rs"]
mod task_store;

/// A server of the database in this file.
async fn start(clerk: &Emulator, file: &Path, gate: &Gate) -> World {
    let store = task_store::SqliteTasks::open(file.to_str().unwrap());
    let (store, state) = (store.await.unwrap(), gate.clone());
    let settings = |builder: ServerBuilder| {
        let builder = builder.url("http://localhost:3999/mcp");
        builder.state(state).task_store(store)
    };
    let mut world = World::built(emulator().await, TOOLS, settings, |_| builder(clerk)).await;
    world.instance = clerk.instance().clone();
    world
}

async fn begun(world: &World, token: &str, name: &str, arguments: Value) -> String {
    let made = request(world, token, "tools/call", tool(name, &arguments)).await;
    made["taskId"].as_str().expect("no task").to_owned()
}

async fn got(world: &World, token: &str, id: &str) -> Value {
    request(world, token, "tasks/get", json!({ "taskId": id })).await
}

async fn until_not(world: &World, token: &str, id: &str, status: &str) -> Value {
    loop {
        let task = got(world, token, id).await;
        if task["status"] != status {
            return task;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[actix_web::test]
async fn the_result_of_a_task_survives_a_restart_in_sqlite_and_only_its_caller_gets_it() {
    let (clerk, gate, folder) = (emulator().await, Gate::closed(), tempfile::tempdir());
    let folder = folder.unwrap();
    let [file, copy] = ["tasks.sqlite", "copy.sqlite"].map(|name| folder.path().join(name));
    let mut old = start(&clerk, &file, &gate).await;
    let (ada, grace) = (old.ada(), old.grace());
    let finished = begun(&old, &ada, "fail", json!({})).await;
    until_not(&old, &ada, &finished, "working").await;
    let waiting = begun(&old, &ada, "approve", json!({})).await;
    until_not(&old, &ada, &waiting, "working").await;
    let running = begun(&old, &ada, "work", json!({ "label": "a" })).await;
    // A copy of the file is what a server finds after its machine failed.
    std::fs::copy(&file, &copy).unwrap();
    old.server.stop().await.unwrap();
    assert_eq!(gate.running(), 0);
    drop(old);

    let new = start(&clerk, &file, &gate).await;
    assert_eq!(text(&got(&new, &ada, &finished).await), "No luck");
    let task = got(&new, &ada, &running).await;
    assert_eq!(task["status"], "failed");
    let message = task["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("The server was stopped"), "{message}");
    for id in [&finished, &waiting, &running] {
        let params = json!({ "taskId": id });
        let reply = at_url(ask(&new, "tasks/get", params)).bearer(&grace).send();
        let unknown = json!({ "taskId": "x".repeat(43) });
        let unknown = at_url(ask(&new, "tasks/get", unknown))
            .bearer(&grace)
            .send();
        let (reply, unknown) = (reply.await, unknown.await);
        expect_error(Era::Modern, 200, -32602, &reply);
        assert_eq!(reply.json(), unknown.json());
    }
    let answers = json!({ "question-1.1": named("Ada") });
    let params = json!({ "taskId": waiting, "inputResponses": answers });
    request(&new, &ada, "tasks/update", params).await;
    let task = until_not(&new, &ada, &waiting, "working").await;
    assert_eq!(text(&task), "Approved by Ada");

    let crashed = start(&clerk, &copy, &gate).await;
    assert_eq!(got(&crashed, &ada, &running).await["status"], "working");
    crashed.clock.advance(Duration::from_secs(61));
    let task = got(&crashed, &ada, &running).await;
    let message = task["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("The server was restarted"), "{message}");
    assert_eq!(text(&got(&crashed, &ada, &finished).await), "No luck");
}
