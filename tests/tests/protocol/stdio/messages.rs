//! Messages: progress, log messages, cancellation, subscriptions, tasks, and a clean standard output.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;

use super::client::{Program, text_of, with_local_user};
use crate::schema::expect_task;
use crate::support::{Era, eventually};

const SHORT: Duration = Duration::from_millis(200);

#[test]
fn progress_and_log_messages_precede_the_result() {
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &with_local_user());
        let mut meta = json!({ "progressToken": "t" });
        match era {
            Era::Legacy => {
                program.result("logging/setLevel", json!({ "level": "info" }));
            }
            Era::Modern => meta["io.modelcontextprotocol/logLevel"] = "info".into(),
        }
        let params = json!({ "name": "work", "arguments": {}, "_meta": meta });
        let id = program.request("tools/call", params);
        assert_eq!(text_of(&program.call_result(id)), "Worked");
        let others = program.take_others();
        let methods: Vec<_> = others.iter().map(|one| one["method"].clone()).collect();
        let (progress, log) = ("notifications/progress", "notifications/message");
        assert_eq!(methods, [progress, log, progress]);
        let done = [&others[0], &others[2]].map(|one| one["params"]["progress"].as_f64());
        assert_eq!(done, [Some(1.0), Some(2.0)]);
        assert_eq!(others[1]["params"]["data"], "Working");
        program.finish();
    }
}

#[actix_web::test]
async fn a_slow_tool_does_not_block_other_requests_and_can_be_cancelled() {
    for era in [Era::Legacy, Era::Modern] {
        let folder = tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let mut program = Program::start(era, &with_local_user());
        let slow = program.call("hold", json!({ "directory": folder.path() }));
        eventually("the call begins", || file("begun").exists()).await;
        if era == Era::Legacy {
            program.result("ping", json!({}));
        }
        assert_eq!(program.text("who_am_i", json!({})), "user_ada");
        // A cancellation of another request, and a malformed one, change nothing.
        program.notify(
            "notifications/cancelled",
            json!({ "requestId": slow + 100 }),
        );
        program.notify("notifications/cancelled", json!({}));
        assert!(program.next_within(SHORT).is_none());
        assert!(!file("ended").exists());
        program.notify(
            "notifications/cancelled",
            json!({ "requestId": slow, "reason": "enough" }),
        );
        eventually("the call is dropped", || file("ended").exists()).await;
        // A cancelled request has no response.
        assert!(program.next_within(SHORT).is_none());
        assert_eq!(program.text("who_am_i", json!({})), "user_ada");
        assert_eq!(program.finish().0, [] as [Value; 0]);
    }
}

#[test]
fn a_modern_client_learns_of_a_change_until_it_cancels_its_subscription() {
    let mut program = Program::start(Era::Modern, &with_local_user());
    let filter = json!({ "resourceSubscriptions": ["docs://news", "docs://nothing"] });
    let listen = program.request("subscriptions/listen", json!({ "notifications": filter }));
    let acknowledged = program.next();
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    let uris = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(*uris, json!(["docs://news"]));
    program.called("publish", json!({}));
    let updated = program.next();
    assert_eq!(updated["method"], "notifications/resources/updated");
    let subscription = &updated["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(*subscription, json!(listen));
    program.notify("notifications/cancelled", json!({ "requestId": listen }));
    // The answer to a later request shows that the cancellation was handled.
    assert_eq!(program.text("who_am_i", json!({})), "user_ada");
    std::thread::sleep(SHORT);
    program.called("publish", json!({}));
    assert!(program.next_within(Duration::from_millis(500)).is_none());
    assert_eq!(program.finish().0, [] as [Value; 0]);
}

#[test]
fn a_legacy_client_learns_of_a_change_until_it_unsubscribes() {
    let mut program = Program::start(Era::Legacy, &with_local_user());
    let news = json!({ "uri": "docs://news" });
    program.result("resources/subscribe", news.clone());
    program.called("publish", json!({}));
    let updated = program.next();
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"], news);
    program.result("resources/unsubscribe", news);
    program.called("publish", json!({}));
    assert!(program.next_within(Duration::from_millis(500)).is_none());
    assert_eq!(program.finish().0, [] as [Value; 0]);
}

#[test]
fn a_call_runs_as_a_task_whose_result_is_fetched_later() {
    let mut program = Program::spawn(Era::Modern, &with_local_user());
    program.set_capabilities(json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } }));
    program.connect();
    let created = program.called("compute", json!({}));
    assert_eq!(created["resultType"], "task");
    expect_task("CreateTaskResult", &created);
    let id = created["taskId"].clone();
    let completed = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let task = program.result("tasks/get", json!({ "taskId": id }));
        (task["status"] == "completed").then_some(task)
    });
    assert_eq!(text_of(&completed.unwrap()["result"]), "Computed");
    program.finish();
}

#[test]
fn text_that_a_tool_prints_and_a_panic_go_to_standard_error() {
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &with_local_user());
        assert_eq!(program.text("shout", json!({})), "Shouted");
        let failed = program.called("fail", json!({}));
        assert_eq!(failed["isError"], true);
        assert!(text_of(&failed).starts_with("Internal error, reference "));
        assert_eq!(program.text("who_am_i", json!({})), "user_ada");
        let (messages, log) = program.finish();
        assert_eq!(messages, [] as [Value; 0]);
        assert!(log.contains("a line that is no message"), "{log}");
        assert!(log.contains("the tool panics"), "{log}");
    }
}

#[test]
fn a_line_that_is_no_message_gets_an_error_and_the_next_one_is_handled() {
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &with_local_user());
        for (line, code, id) in [
            ("{", -32700, None),
            ("\u{1}", -32700, None),
            ("[]", -32600, None),
            (
                r#"{"jsonrpc":"1.0","id":"x","method":"ping"}"#,
                -32600,
                Some("x"),
            ),
        ] {
            program.write(format!("{line}\n").as_bytes());
            let answer = program.next();
            assert_eq!(answer["error"]["code"], code, "{line}");
            assert_eq!(answer.get("id").and_then(Value::as_str), id, "{line}");
        }
        program.write(b"\xff\xfe\n");
        assert_eq!(program.next()["error"]["code"], -32700);
        // A blank line, a line that ends with CRLF, and a response to no request get no answer.
        program.write(b"\n  \r\n");
        program.send(&json!({ "jsonrpc": "2.0", "id": "unknown", "result": {} }));
        program.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/unknown\"}\r\n");
        assert!(program.next_within(SHORT).is_none());
        assert_eq!(program.text("who_am_i", json!({})), "user_ada");
        program.finish();
    }
}
