//! The bounds: long lines, many calls, and a client that does not read.

use std::time::Duration;

use serde_json::json;
use tempfile::tempdir;

use super::client::{Program, with_local_user};
use crate::support::{Era, eventually};

/// The variables of a program with this limit for a line.
fn limited(bytes: usize) -> Vec<(&'static str, String)> {
    let mut variables = with_local_user();
    variables.push(("BODY_LIMIT", bytes.to_string()));
    variables
}

#[test]
fn a_line_that_is_too_long_is_refused_without_reading_it_into_memory() {
    let mut program = Program::start(Era::Legacy, &limited(100_000));
    program.text("who_am_i", json!({}));
    let before = program.resident_kib();
    // 64 MiB in one line.
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..64 {
        program.write(&piece);
    }
    program.write(b"\n");
    let answer = program.next();
    assert_eq!(answer["error"]["code"], 413);
    assert_eq!(answer["error"]["data"]["error"], "payload_too_large");
    assert!(answer.get("id").is_none());
    if let (Some(before), Some(after)) = (before, program.resident_kib()) {
        assert!(after < before + 16 * 1024, "{before} KiB, then {after} KiB");
    }
    // A line of exactly the limit is read.
    let arguments = json!({ "name": "" });
    let message = json!({ "jsonrpc": "2.0", "id": 900, "method": "tools/call", "params": { "name": "greet", "arguments": arguments } });
    let length = message.to_string().len();
    for (name, is_read) in [(100_000 - length, true), (100_001 - length, false)] {
        let mut message = message.clone();
        message["params"]["arguments"]["name"] = "n".repeat(name).into();
        program.send(&message);
        let answer = program.next();
        assert_eq!(answer.get("result").is_some(), is_read, "{name}");
    }
    program.finish();
}

#[actix_web::test]
async fn calls_beyond_the_limit_are_refused_and_messages_are_still_handled() {
    let folder = tempdir().unwrap();
    let mut program = Program::start(Era::Modern, &with_local_user());
    let calls: Vec<_> = (0..70)
        .map(|_| program.call("hold", json!({ "directory": folder.path() })))
        .collect();
    // The limit is 64 calls.
    let refused: Vec<_> = (0..6).map(|_| program.next()).collect();
    for answer in &refused {
        assert_eq!(answer["error"]["code"], 503, "{answer}");
        assert_eq!(answer["error"]["message"], "Too many calls in flight");
        assert_eq!(answer["error"]["data"]["mcp-auth-rs/retryAfter"], 1);
    }
    program.result("tools/list", json!({}));
    std::fs::write(folder.path().join("go"), "").unwrap();
    for id in calls {
        if !refused.iter().any(|answer| answer["id"] == id) {
            program.call_result(id);
        }
    }
    program.finish();
}

#[test]
fn long_lines_count_until_their_calls_end() {
    let folder = tempdir().unwrap();
    let mut program = Program::start(Era::Legacy, &with_local_user());
    // The limit of one caller is 16 MiB.
    let padding = "x".repeat(4_000_000);
    let arguments = json!({ "directory": folder.path(), "padding": padding });
    let calls = [(); 4].map(|()| program.call("hold", arguments.clone()));
    let fifth = program.call("hold", arguments);
    let refused = program.response(fifth);
    assert_eq!(refused["error"]["code"], 503);
    let text = "Too many bytes of request bodies in flight";
    assert_eq!(refused["error"]["message"], text);
    assert_eq!(program.text("who_am_i", json!({})), "user_ada");
    std::fs::write(folder.path().join("go"), "").unwrap();
    for id in calls {
        program.call_result(id);
    }
    program.finish();
}

#[actix_web::test]
async fn a_client_that_does_not_read_does_not_grow_the_memory() {
    // 2000 responses of 256 KiB would take 500 MiB.
    let mut program = Program::spawn(Era::Legacy, &with_local_user());
    program.connect();
    program.text("repeat", json!({ "bytes": 262_144 }));
    let before = program.resident_kib();
    let unread = program.stop_reading();
    let requests = (0..2000).map(|id| {
        let params = json!({ "name": "repeat", "arguments": { "bytes": 262_144 } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    });
    let lines: Vec<_> = requests.map(|request| format!("{request}\n")).collect();
    program.write_in_background(lines.concat().into_bytes());
    std::thread::sleep(Duration::from_secs(2));
    if let (Some(before), Some(after)) = (before, program.resident_kib()) {
        // At most 128 messages are handled at once, and the output holds a few responses.
        assert!(after < before + 96 * 1024, "{before} KiB, then {after} KiB");
    }
    program.signal("TERM");
    assert_eq!(program.wait().code(), Some(0));
    drop(unread);
}

#[actix_web::test]
async fn a_client_that_is_gone_ends_the_server() {
    let mut program = Program::start(Era::Legacy, &with_local_user());
    let folder = tempdir().unwrap();
    program.call("hold", json!({ "directory": folder.path() }));
    eventually("the call begins", || folder.path().join("begun").exists()).await;
    drop(program.stop_reading());
    // The response finds that nobody reads.
    program.request("ping", json!({}));
    assert_eq!(program.wait().code(), Some(0));
}
