//! The audit log of a server in a process of its own, in a file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::load::{Load, stop};
use super::{expect_valid, trace_of};
use crate::process::Process;
use crate::support::{Runs, builder, client, emulator, eventually, message};

/// A folder with the audit log of a server.
pub(super) struct Log {
    folder: TempDir,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.sibling("audit.jsonl")
    }

    /// A file in the folder of the audit log.
    pub(super) fn sibling(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn start(&self, settings: &[(&str, &str)]) -> Process {
        let path = self.path();
        let mut environment = vec![("MCP_AUDIT", path.to_str().unwrap())];
        environment.extend_from_slice(settings);
        Process::start(&environment)
    }
}

/// The records of a file. If `is_cut` is true, the last line may be incomplete.
pub(super) fn records(path: &Path, is_cut: bool) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let complete = if is_cut {
        text.rfind('\n').map_or(0, |end| end + 1)
    } else {
        text.len()
    };
    parsed(&text[..complete])
}

/// The records of a text with a record in each line.
pub(super) fn parsed(text: &str) -> Vec<Value> {
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let records: Vec<Value> = records.collect();
    records.iter().for_each(expect_valid);
    records
}

/// The trace ids of the calls in these records, each once.
pub(super) fn traces(records: &[Value]) -> BTreeSet<String> {
    let traces: Vec<_> = records
        .iter()
        .filter_map(|record| record["trace_id"].as_str())
        .collect();
    let once: BTreeSet<_> = traces.iter().map(|trace| (*trace).to_owned()).collect();
    assert_eq!(once.len(), traces.len(), "a call has two records");
    once
}

pub(super) async fn greet(
    http: &Client,
    endpoint: &str,
    number: usize,
) -> Result<Response, reqwest::Error> {
    let params = json!({ "name": "greet", "arguments": { "name": "Ada" } });
    let traceparent = format!("00-{}-00f067aa0ba902b7-01", trace_of(number));
    http.post(endpoint)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
        .header("traceparent", traceparent)
        .body(message("tools/call", params))
        .send()
        .await
}

#[actix_web::test]
async fn a_server_that_is_stopped_has_written_a_record_of_each_call() {
    for sync in ["never", "second", "record"] {
        let log = Log::new();
        let mut process = log.start(&[("MCP_AUDIT_SYNC", sync)]);
        let line = format!("  audit     to {}\n", log.path().display());
        assert!(process.printed().contains(&line), "{}", process.printed());
        let load = Load::begin(&process);
        load.serves(200).await;
        let calls = load.end();
        stop(&mut process).await;
        assert_eq!(
            traces(&records(&log.path(), false)),
            calls.traces(),
            "{sync}"
        );
    }
}

#[actix_web::test]
async fn a_file_that_is_copied_and_truncated_is_continued_from_its_beginning() {
    let log = Log::new();
    let mut process = log.start(&[]);
    let mut calls = BTreeSet::new();
    let mut all = Vec::new();
    for round in 0..3 {
        let (http, endpoint) = (client(), process.fact("endpoint").to_owned());
        for number in round * 20..(round + 1) * 20 {
            assert_eq!(greet(&http, &endpoint, number).await.unwrap().status(), 200);
            calls.insert(trace_of(number));
        }
        // A record between the copy and the truncation would be lost, so this test truncates between two rounds.
        eventually("the records are written", || {
            records(&log.path(), true).len() == 20
        })
        .await;
        all.extend(records(&log.path(), false));
        fs::OpenOptions::new()
            .write(true)
            .open(log.path())
            .unwrap()
            .set_len(0)
            .unwrap();
    }
    assert_eq!(traces(&all), calls);
    stop(&mut process).await;
    assert!(records(&log.path(), false).is_empty());
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn on_a_full_disk_calls_are_served_or_refused_as_the_setting_says_and_space_helps() {
    for (wait, status) in [(None, 200), (Some(("MCP_AUDIT_WAIT", "50")), 503)] {
        let log = Log::new();
        std::os::unix::fs::symlink("/dev/full", log.path()).unwrap();
        let settings: Vec<_> = [("MCP_AUDIT_QUEUE", "100")]
            .into_iter()
            .chain(wait)
            .collect();
        let mut process = log.start(&settings);
        let (http, endpoint) = (client(), process.fact("endpoint").to_owned());
        let number = 120;
        for call in 0..number {
            let expected = if call < 100 { 200 } else { status };
            assert_eq!(
                greet(&http, &endpoint, call).await.unwrap().status(),
                expected,
                "{call}"
            );
        }
        let reply = greet(&http, &endpoint, number).await.unwrap();
        assert_eq!(reply.status(), status);
        // Space is free again.
        fs::remove_file(log.path()).unwrap();
        let is_written =
            || fs::read_to_string(log.path()).is_ok_and(|text| text.contains(r#""event":"lost""#));
        eventually(
            "the records and the number of the lost ones are written",
            is_written,
        )
        .await;
        assert_eq!(
            greet(&http, &endpoint, number + 1).await.unwrap().status(),
            200
        );
        stop(&mut process).await;
        let records = records(&log.path(), false);
        let lost = records.iter().filter_map(|record| record["count"].as_u64());
        let (kept, lost) = (traces(&records).len(), lost.sum::<u64>());
        assert_eq!(
            kept as u64 + lost,
            number as u64 + 2,
            "{kept} kept, {lost} lost"
        );
        let stderr = process.log();
        assert!(
            stderr.contains("the audit sink failed; its records wait"),
            "{stderr}"
        );
        assert!(stderr.contains("audit records are lost"), "{stderr}");
    }
}

#[actix_web::test]
async fn a_file_that_cannot_be_opened_does_not_start() {
    let log = Log::new();
    let path = log.folder.path().join("none").join("audit.jsonl");
    let clerk = emulator().await;
    let server = builder(&clerk)
        .tools_of("protocol::tools")
        .state(Runs::default());
    let error = server
        .audit_file(&path)
        .build()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!(
            "`audit_file` is `{}`, which cannot be opened: ",
            path.display()
        )),
        "{error}"
    );
    assert!(error.ends_with(" [audit-file-failed]"), "{error}");
    assert!(!path.exists());
}
