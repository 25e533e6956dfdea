//! The end: standard input closes, or a signal comes.

use std::time::{Duration, Instant};

use clerk_emulator::TokenRequest;
use serde_json::json;
use tempfile::tempdir;

use super::client::{Program, mint, text_of, with_local_user, with_token};
use crate::support::{Era, emulator, eventually};

#[test]
fn a_call_that_ends_soon_after_the_input_has_its_response() {
    // All lines are written at once, as by a shell.
    let mut program = Program::spawn(Era::Legacy, &with_local_user());
    let client = json!({ "name": "tests", "version": "1" });
    let lines = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client,
        }}),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "work", "arguments": {}, "_meta": { "progressToken": 1 },
        }}),
    ];
    let lines = lines.map(|line| format!("{line}\n"));
    program.write(lines.concat().as_bytes());
    let (messages, _) = program.finish();
    assert_eq!(messages[0]["id"], 1);
    let last = messages.last().unwrap();
    assert_eq!(last["id"], 2);
    assert_eq!(text_of(&last["result"]), "Worked");
    assert_eq!(messages.len(), 4, "{messages:?}");
}

#[actix_web::test]
async fn a_call_that_does_not_end_is_cancelled_and_a_subscription_ends_in_form() {
    for signal in [None, Some("TERM"), Some("INT")] {
        for era in [Era::Legacy, Era::Modern] {
            let folder = tempdir().unwrap();
            let mut program = Program::start(era, &with_local_user());
            program.call("hold", json!({ "directory": folder.path() }));
            let begun = folder.path().join("begun");
            eventually("the call begins", || begun.exists()).await;
            let mut listen = None;
            if era == Era::Modern {
                let filter = json!({ "resourceSubscriptions": ["docs://news"] });
                let params = json!({ "notifications": filter });
                listen = Some(program.request("subscriptions/listen", params));
                program.next();
            }
            let start = Instant::now();
            match signal {
                None => program.close_stdin(),
                Some(signal) => program.signal(signal),
            }
            assert_eq!(program.wait().code(), Some(0));
            // A client waits for two seconds before it sends SIGTERM.
            let took = start.elapsed();
            assert!(took < Duration::from_secs(2), "{took:?}");
            let (messages, _) = program.finish();
            match listen {
                None => assert!(messages.is_empty(), "{messages:?}"),
                Some(id) => {
                    assert_eq!(messages.len(), 2, "{messages:?}");
                    assert_eq!(messages[0]["id"], id);
                    assert_eq!(messages[1]["method"], "notifications/cancelled");
                    assert_eq!(messages[1]["params"]["requestId"], id);
                }
            }
        }
    }
}

#[test]
fn without_a_call_the_server_ends_at_once() {
    let mut program = Program::start(Era::Legacy, &with_local_user());
    let start = Instant::now();
    program.close_stdin();
    assert_eq!(program.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_millis(500));
}

#[actix_web::test]
async fn a_subscription_ends_with_its_token() {
    let clerk = emulator().await;
    // The server accepts a token for five seconds longer, and looks at the token of an idle stream every five seconds.
    let token = mint(
        &clerk,
        &TokenRequest::oauth("ada").org("acme").expires_in(-3),
    );
    let mut program = Program::start(Era::Modern, &with_token(&clerk, &token));
    let filter = json!({ "resourceSubscriptions": ["docs://news"] });
    let id = program.request("subscriptions/listen", json!({ "notifications": filter }));
    let method = program.next()["method"].clone();
    assert_eq!(method, "notifications/subscriptions/acknowledged");
    let result = program.next();
    assert_eq!(result["id"], id);
    assert_eq!(result["result"]["resultType"], "complete");
    assert_eq!(program.next()["params"]["requestId"], id);
    program.finish();
}
