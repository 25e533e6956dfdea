//! The audit log of a program under load: eight callers, thousands of calls, a real file or a named pipe. Every call that
//! the server answered must have a record, or must be counted in a record `lost`.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::files::{Log, greet, parsed, records, traces};
use super::trace_of;
use crate::process::Process;
use crate::support::{LOAD, client, eventually};

/// Callers that call without a pause, until the test stops the callers or the server is gone. The callers have a thread of
/// their own, so they also call while the test renames or copies a file.
pub(super) struct Load {
    shared: Arc<Shared>,
    callers: JoinHandle<Vec<Vec<Call>>>,
}

#[derive(Default)]
struct Shared {
    next: AtomicUsize,
    stopped: AtomicBool,
    served: AtomicUsize,
    refused: AtomicUsize,
}

/// A call that the server answered with 200, or with 503 because the audit log is full.
struct Call {
    number: usize,
    began: Instant,
    ended: Instant,
    is_served: bool,
}

impl Load {
    pub(super) fn begin(process: &Process) -> Self {
        let shared = Arc::<Shared>::default();
        let endpoint = process.fact("endpoint").to_owned();
        let callers = (0..CALLERS).map(|_| Arc::clone(&shared).call(endpoint.clone()));
        let callers = join_all(callers.collect::<Vec<_>>());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            shared,
            callers: thread::spawn(move || runtime.block_on(callers)),
        }
    }

    /// Waits until the server has served this number of calls.
    pub(super) async fn serves(&self, calls: usize) {
        reaches(&self.shared.served, calls).await;
    }

    /// Waits until the server has served this number of further calls.
    async fn serves_more(&self, calls: usize) {
        let served = self.shared.served.load(Ordering::SeqCst);
        self.serves(served + calls).await;
    }

    /// Waits until the server has refused this number of calls.
    async fn refuses(&self, calls: usize) {
        reaches(&self.shared.refused, calls).await;
    }

    pub(super) fn end(self) -> Calls {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let calls = self.callers.join().unwrap().into_iter();
        Calls(calls.flatten().collect())
    }
}

async fn reaches(count: &AtomicUsize, calls: usize) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while count.load(Ordering::SeqCst) < calls {
        let reached = count.load(Ordering::SeqCst);
        assert!(Instant::now() < deadline, "{reached} of {calls} calls");
        sleep(Duration::from_millis(2)).await;
    }
}

impl Shared {
    async fn call(self: Arc<Self>, endpoint: String) -> Vec<Call> {
        let http = client();
        let mut calls = Vec::new();
        while !self.stopped.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let began = Instant::now();
            let Ok(response) = greet(&http, &endpoint, number).await else {
                break;
            };
            let status = response.status();
            let retry_after = response.headers().get("retry-after").cloned();
            let Ok(text) = response.text().await else {
                break;
            };
            let is_served = status == 200;
            if !is_served {
                assert_eq!(status, 503, "{text}");
                assert_eq!(retry_after.unwrap(), "5");
                assert!(text.contains("The audit log is full"), "{text}");
            }
            calls.push(Call {
                number,
                began,
                ended: Instant::now(),
                is_served,
            });
            let count = if is_served {
                &self.served
            } else {
                &self.refused
            };
            count.fetch_add(1, Ordering::SeqCst);
        }
        calls
    }
}

/// The calls that the server answered.
pub(super) struct Calls(Vec<Call>);

impl Calls {
    pub(super) fn traces(&self) -> BTreeSet<String> {
        self.0.iter().map(|call| trace_of(call.number)).collect()
    }

    /// The calls that have none of these trace ids.
    fn without(&self, traces: &BTreeSet<String>) -> Vec<&Call> {
        let calls = self.0.iter();
        calls
            .filter(|call| !traces.contains(&trace_of(call.number)))
            .collect()
    }
}

/// Tells the server to stop, and waits for its end.
pub(super) async fn stop(process: &mut Process) {
    process.signal("TERM");
    eventually("the server ends", || process.ended().is_some()).await;
}

#[actix_web::test]
async fn a_process_that_is_killed_under_load_loses_only_calls_of_the_last_second() {
    let _alone = LOAD.lock().await;
    let log = Log::new();
    let process = log.start(&[]);
    let load = Load::begin(&process);
    let begin = Instant::now();
    load.serves(3_000).await;
    // At least half of the load is older than a second.
    sleep(SECOND.saturating_sub(begin.elapsed() / 2)).await;
    let killed = Instant::now();
    process.signal("KILL");
    let calls = load.end();
    process.kill();
    let written = traces(&records(&log.path(), true));
    let age = |call: &Call| killed.saturating_duration_since(call.ended);
    let old = calls.0.iter().filter(|call| age(call) >= SECOND).count();
    assert!(old >= 1_000, "{old}");
    let lost = calls.without(&written);
    println!("{} of {} calls are lost", lost.len(), calls.0.len());
    let oldest = lost.into_iter().map(age).max().unwrap_or_default();
    assert!(oldest < SECOND, "a lost call is {oldest:?} old");
    // Each caller had at most one call whose answer it did not get.
    assert!(written.difference(&calls.traces()).count() <= CALLERS);
}

/// Rotates a file as logrotate does: `audit.jsonl.1` becomes `audit.jsonl.2`, and then `audit.jsonl` becomes `audit.jsonl.1`.
struct Rotation<'a> {
    log: &'a Log,
    rotated: usize,
}

impl Rotation<'_> {
    fn rotated(&self, number: usize) -> PathBuf {
        self.log.sibling(&format!("audit.jsonl.{number}"))
    }

    /// With `create` the rotation makes the new file, as the option `create` of logrotate does.
    fn rotate(&mut self, create: bool) {
        for number in (1..=self.rotated).rev() {
            fs::rename(self.rotated(number), self.rotated(number + 1)).unwrap();
        }
        fs::rename(self.log.path(), self.rotated(1)).unwrap();
        if create {
            File::create_new(self.log.path()).unwrap();
        }
        self.rotated += 1;
    }

    /// Rotates with the program logrotate. Returns false if the program is not installed.
    fn rotate_by_program(&mut self, create: bool) -> bool {
        let (path, create) = (self.log.path(), if create { "create" } else { "nocreate" });
        let file = self.log.sibling("logrotate.conf");
        let settings = format!("{} {{\nrotate 99\n{create}\n}}\n", path.display());
        fs::write(&file, settings).unwrap();
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
        fs::set_permissions(&file, permissions).unwrap();
        let state = self.log.sibling("logrotate.state");
        let program = Command::new("logrotate")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .arg("--force")
            .arg("--state")
            .args([state, file])
            .output();
        let Ok(output) = program else { return false };
        assert!(output.status.success(), "{output:?}");
        self.rotated += 1;
        true
    }
}

#[actix_web::test]
async fn a_rotation_under_load_loses_nothing_whoever_creates_the_new_file() {
    let _alone = LOAD.lock().await;
    let log = Log::new();
    let mut process = log.start(&[]);
    let load = Load::begin(&process);
    let mut rotation = Rotation {
        log: &log,
        rotated: 0,
    };
    let mut by_program = 0;
    for round in 0..12 {
        load.serves_more(250).await;
        let create = round % 2 == 0;
        // Half of the rotations are those of the program, where it is installed.
        let is_done = round % 4 >= 2 && rotation.rotate_by_program(create);
        if is_done {
            by_program += 1;
        } else {
            rotation.rotate(create);
        }
        eventually("the new file has records", || {
            fs::metadata(log.path()).is_ok_and(|file| file.len() > 0)
        })
        .await;
    }
    let calls = load.end();
    stop(&mut process).await;
    let files = (1..=12).map(|number| rotation.rotated(number));
    let files = files.chain([log.path()]);
    let all: Vec<_> = files.flat_map(|file| records(&file, false)).collect();
    println!(
        "{} calls, {by_program} rotations by logrotate",
        calls.0.len()
    );
    assert!(calls.0.len() >= 3_000);
    assert_eq!(traces(&all), calls.traces());
}

#[actix_web::test]
async fn a_copy_and_truncation_under_load_loses_only_records_between_the_two() {
    let _alone = LOAD.lock().await;
    let log = Log::new();
    let mut process = log.start(&[]);
    let load = Load::begin(&process);
    let (mut windows, mut files) = (Vec::new(), Vec::new());
    for round in 0..2 {
        // A record is at most a second younger than its call, so the calls of two windows do not overlap.
        sleep(SECOND * 2).await;
        load.serves_more(300).await;
        let copy = log.sibling(&format!("audit.copy.{round}"));
        let copied = Instant::now();
        fs::copy(log.path(), &copy).unwrap();
        let file = OpenOptions::new().write(true).open(log.path()).unwrap();
        file.set_len(0).unwrap();
        windows.push((copied, Instant::now()));
        files.push(copy);
    }
    load.serves_more(300).await;
    let calls = load.end();
    stop(&mut process).await;
    // A copy may end in the middle of a line.
    let mut all: Vec<_> = files.iter().flat_map(|file| records(file, true)).collect();
    all.extend(records(&log.path(), false));
    let lost = calls.without(&traces(&all));
    println!("{} of {} calls are lost", lost.len(), calls.0.len());
    for call in lost {
        let is_between = windows
            .iter()
            .any(|(copied, truncated)| call.began <= *truncated && call.ended + SECOND >= *copied);
        assert!(is_between, "call {} is lost", call.number);
    }
}

/// The reason why the sink takes no records for a while.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    FullDisk,
    /// A named pipe that nobody reads.
    StuckPipe,
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn on_a_full_disk_under_load_calls_go_on_and_lost_records_are_counted() {
    let _alone = LOAD.lock().await;
    without_wait(Trouble::FullDisk).await;
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn on_a_full_disk_under_load_calls_wait_and_are_refused() {
    let _alone = LOAD.lock().await;
    with_wait(Trouble::FullDisk).await;
}

#[cfg(unix)]
#[actix_web::test]
async fn with_a_stuck_pipe_under_load_calls_go_on_and_lost_records_are_counted() {
    let _alone = LOAD.lock().await;
    without_wait(Trouble::StuckPipe).await;
}

#[cfg(unix)]
#[actix_web::test]
async fn with_a_stuck_pipe_under_load_calls_wait_and_are_refused() {
    let _alone = LOAD.lock().await;
    with_wait(Trouble::StuckPipe).await;
}

async fn without_wait(trouble: Trouble) {
    let log = Log::new();
    let (kept, lost, calls) = trouble
        .passes(&log, &[], async |load| load.serves_more(2_000).await)
        .await;
    assert!(calls.0.iter().all(|call| call.is_served));
    assert!(lost >= 1_000, "{lost}");
    assert_eq!(kept.len() as u64 + lost, calls.0.len() as u64);
}

async fn with_wait(trouble: Trouble) {
    let log = Log::new();
    let wait = [("MCP_AUDIT_WAIT", "40")];
    let (kept, lost, calls) = trouble
        .passes(&log, &wait, async |load| load.refuses(100).await)
        .await;
    let refused: Vec<_> = calls.0.iter().filter(|call| !call.is_served).collect();
    for call in &refused {
        let waited = call.ended - call.began;
        assert!(waited >= Duration::from_millis(40), "{waited:?}");
    }
    // No call ran without a record, and the refused calls are counted.
    let without = calls.without(&kept);
    assert!(without.iter().all(|call| !call.is_served));
    assert_eq!(without.len() as u64, lost);
    assert!(lost >= 100, "{lost}");
}

impl Trouble {
    /// Lets the trouble begin under load, and end as soon as the function returns. Returns the trace ids of the records, the
    /// number of the lost records and the calls.
    async fn passes(
        self,
        log: &Log,
        settings: &[(&str, &str)],
        until: impl AsyncFnOnce(&Load),
    ) -> (BTreeSet<String>, u64, Calls) {
        if let Self::StuckPipe = self {
            let made = Command::new("mkfifo").arg(log.path()).status();
            assert!(made.unwrap().success());
        }
        let common = [("MCP_AUDIT_QUEUE", "200"), ("MCP_METRICS", "127.0.0.1:0")];
        let mut process = log.start(&[&common, settings].concat());
        let load = Load::begin(&process);
        if let Self::FullDisk = self {
            load.serves(500).await;
            fs::rename(log.path(), log.sibling("audit.before")).unwrap();
            std::os::unix::fs::symlink("/dev/full", log.path()).unwrap();
        }
        until(&load).await;
        let reader = match self {
            Self::FullDisk => {
                fs::remove_file(log.path()).unwrap();
                None
            }
            Self::StuckPipe => {
                let mut pipe = File::open(log.path()).unwrap();
                Some(thread::spawn(move || {
                    let mut text = String::new();
                    pipe.read_to_string(&mut text).unwrap();
                    text
                }))
            }
        };
        load.serves_more(500).await;
        let calls = load.end();
        let counted = lost_in_metrics(&process).await;
        stop(&mut process).await;
        let records = match reader {
            Some(reader) => parsed(&reader.join().unwrap()),
            None => [log.sibling("audit.before"), log.path()]
                .iter()
                .flat_map(|file| records(file, false))
                .collect(),
        };
        let lost: u64 = records.iter().filter_map(lost_in).sum();
        assert_eq!(counted, lost, "the metric differs from the records");
        let stderr = process.log();
        assert!(stderr.contains(r#"fact="sink_dropping""#), "{stderr}");
        let says_failed = stderr.contains("the audit sink failed; its records wait");
        assert_eq!(says_failed, matches!(self, Self::FullDisk), "{stderr}");
        let kept = traces(&records);
        assert_eq!(kept.difference(&calls.traces()).count(), 0);
        (kept, lost, calls)
    }
}

fn lost_in(record: &Value) -> Option<u64> {
    (record["event"] == "lost").then(|| record["count"].as_u64().unwrap())
}

async fn lost_in_metrics(process: &Process) -> u64 {
    let scrape = client().get(process.fact("metrics")).send().await.unwrap();
    let text = scrape.text().await.unwrap();
    let lost = text
        .lines()
        .find_map(|line| line.strip_prefix("mcp_auth_audit_records_lost_total "));
    lost.expect(&text).parse().unwrap()
}

#[cfg(unix)]
#[actix_web::test]
async fn a_server_stops_although_its_sink_is_stuck_and_logs_how_many_records_are_lost() {
    let _alone = LOAD.lock().await;
    let log = Log::new();
    let made = Command::new("mkfifo").arg(log.path()).status();
    assert!(made.unwrap().success());
    let mut process = log.start(&[("MCP_AUDIT_QUEUE", "300")]);
    // The pipe keeps its content only while somebody has it open.
    let mut pipe = File::open(log.path()).unwrap();
    let load = Load::begin(&process);
    load.serves(1_500).await;
    let calls = load.end().0.len();
    stop(&mut process).await;
    let stderr = process.log();
    let (_, line) = stderr
        .split_once("the sink is stuck, and the server stops")
        .expect(&stderr);
    assert!(line.contains(r#"fact="sink_dropping""#), "{line}");
    let (_, number) = line.split_once("records=").unwrap();
    let end = number.find(|c: char| !c.is_ascii_digit());
    let lost: usize = number[..end.unwrap_or(number.len())].parse().unwrap();
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    let kept = text.matches('\n').count();
    // The server counts a batch of records as lost if the pipe has only a part of the batch.
    let counted = kept + lost;
    assert!(
        (calls..=calls + 256).contains(&counted),
        "{kept} + {lost} of {calls}"
    );
}

const CALLERS: usize = 8;
const SECOND: Duration = Duration::from_secs(1);
