//! The audit log of a server in a process of its own, in a file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{expect_valid, trace_of};
use crate::process::Process;
use crate::support::{Runs, builder, client, emulator, eventually, message};

/// A folder with the audit log of a server.
struct Log {
    folder: TempDir,
}

impl Log {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn start(&self, settings: &[(&str, &str)]) -> Process {
        let path = self.path();
        let mut environment = vec![("MCP_AUDIT", path.to_str().unwrap())];
        environment.extend_from_slice(settings);
        Process::start(&environment)
    }
}

/// The records of a file. The last line may be incomplete if `is_killed`.
fn records(path: &Path, is_killed: bool) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let complete = if is_killed {
        text.rfind('\n').map_or(0, |end| end + 1)
    } else {
        text.len()
    };
    let records = text[..complete]
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let records: Vec<Value> = records.collect();
    records.iter().for_each(expect_valid);
    records
}

/// The trace ids of the calls in these records, each once.
fn traces(records: &[Value]) -> BTreeSet<String> {
    let traces: Vec<_> = records
        .iter()
        .filter_map(|record| record["trace_id"].as_str())
        .collect();
    let once: BTreeSet<_> = traces.iter().map(|trace| (*trace).to_owned()).collect();
    assert_eq!(once.len(), traces.len(), "a call has two records");
    once
}

async fn greet(http: &Client, endpoint: &str, number: usize) -> Result<Response, reqwest::Error> {
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

/// Callers that call without a pause, until they are stopped or the server is gone. Returns the calls that were answered,
/// with the time of the answer.
struct Load {
    stopped: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: Vec<tokio::task::JoinHandle<Vec<(usize, Instant)>>>,
}

impl Load {
    fn begin(process: &Process, callers: usize) -> Self {
        let next = Arc::new(AtomicUsize::new(0));
        let (stopped, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let endpoint = process.fact("endpoint").to_owned();
        let callers = (0..callers).map(|_| {
            let (next, endpoint) = (Arc::clone(&next), endpoint.clone());
            let (stopped, answered) = (Arc::clone(&stopped), Arc::clone(&answered));
            tokio::spawn(async move {
                let http = client();
                let mut calls = Vec::new();
                while !stopped.load(Ordering::SeqCst) {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Ok(response) = greet(&http, &endpoint, number).await else {
                        break;
                    };
                    if response.status() == 200 {
                        calls.push((number, Instant::now()));
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
                calls
            })
        });
        Self {
            callers: callers.collect(),
            stopped,
            answered,
        }
    }

    async fn reaches(&self, calls: usize) {
        eventually("the calls are answered", || {
            self.answered.load(Ordering::SeqCst) >= calls
        })
        .await;
    }

    async fn end(self) -> Vec<(usize, Instant)> {
        self.stopped.store(true, Ordering::SeqCst);
        let mut calls = Vec::new();
        for caller in self.callers {
            calls.extend(caller.await.unwrap());
        }
        calls
    }
}

fn answered(calls: &[(usize, Instant)]) -> BTreeSet<String> {
    calls.iter().map(|(number, _)| trace_of(*number)).collect()
}

#[actix_web::test]
async fn a_server_that_is_stopped_has_written_a_record_of_each_call() {
    for sync in ["never", "second", "record"] {
        let log = Log::new();
        let mut process = log.start(&[("MCP_AUDIT_SYNC", sync)]);
        let load = Load::begin(&process, 4);
        load.reaches(200).await;
        let calls = load.end().await;
        process.signal("TERM");
        eventually("the server ends", || process.ended().is_some()).await;
        assert_eq!(
            traces(&records(&log.path(), false)),
            answered(&calls),
            "{sync}"
        );
    }
}

#[actix_web::test]
async fn a_rotation_under_load_loses_nothing_whoever_creates_the_new_file() {
    let log = Log::new();
    let mut process = log.start(&[]);
    let load = Load::begin(&process, 4);
    let mut files = vec![log.path()];
    for rotation in 1..=8 {
        load.reaches(rotation * 50).await;
        let old = log.folder.path().join(format!("audit.{rotation}"));
        fs::rename(log.path(), &old).unwrap();
        if rotation % 2 == 0 {
            fs::write(log.path(), "").unwrap();
        }
        eventually("the path is a file again", || {
            fs::metadata(log.path()).is_ok_and(|file| file.len() > 0)
        })
        .await;
        files.push(old);
    }
    let calls = load.end().await;
    process.signal("TERM");
    eventually("the server ends", || process.ended().is_some()).await;
    let all: Vec<_> = files.iter().flat_map(|file| records(file, false)).collect();
    assert_eq!(traces(&all), answered(&calls));
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
        // Between the copy and the truncation a record could be lost, so this test truncates between two rounds.
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
    process.signal("TERM");
    eventually("the server ends", || process.ended().is_some()).await;
    assert!(records(&log.path(), false).is_empty());
}

#[actix_web::test]
async fn a_process_that_is_killed_under_load_has_written_all_calls_but_those_of_the_last_second() {
    let log = Log::new();
    let process = log.start(&[]);
    let load = Load::begin(&process, 4);
    load.reaches(400).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let killed = Instant::now();
    process.signal("KILL");
    let calls = load.end().await;
    process.kill();
    let written = traces(&records(&log.path(), true));
    let second = Duration::from_secs(1);
    let (before, last): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .partition(|(_, at)| killed.saturating_duration_since(*at) >= second);
    let missing = |calls: &[(usize, Instant)]| answered(calls).difference(&written).count();
    assert!(before.len() > 100, "{}", before.len());
    assert_eq!(missing(&before), 0, "of {}", before.len());
    println!(
        "of {} calls of the last second, {} have no record",
        last.len(),
        missing(&last)
    );
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
        process.signal("TERM");
        eventually("the server ends", || process.ended().is_some()).await;
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
        error.starts_with("`audit_file` cannot be opened: "),
        "{error}"
    );
    assert!(error.ends_with(" [audit-file-failed]"), "{error}");
    assert!(!path.exists());
}
