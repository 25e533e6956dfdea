//! The audit log.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::{
    Audit, AuditConfig, AuditFile, AuditLines, AuditSink, AuditSync, DigestKey, Sink,
};
use crate::identity::Clock;

use super::super::codes;
use super::super::environment::{Environment, Variable};
use super::super::error::chain;
use super::super::finding::{Finding, Findings};
use super::super::setting::{Setting, Source};
use super::ServerBuilder;
use super::state_keys::StateKeys;

/// The settings of the audit log that are set in code.
#[derive(Default)]
pub(in crate::server) struct AuditOptions {
    file: Option<PathBuf>,
    lines: bool,
    /// The mutex makes the builder `Sync`, although a sink need not be `Sync`.
    sinks: Mutex<Vec<Box<dyn AuditSink>>>,
    sync: Option<AuditSync>,
    wait: Option<Duration>,
    queue: Option<usize>,
    /// True if a test reads the records.
    pub(in crate::server) collects: bool,
}

/// The resolved settings of an audit log.
pub(in crate::server) struct AuditSettings {
    file: Setting<Option<PathBuf>>,
    sync: AuditSync,
    wait: Option<Duration>,
    queue: usize,
}

/// The audit log.
impl ServerBuilder {
    /// Writes the audit log to a file, with a record in each line, as JSON. Default: `MCP_AUDIT`, or no file if that variable
    /// is unset.
    ///
    /// The file is opened for appending, and is created if it does not exist. If another program renames or removes the
    /// file, the server opens the path anew. If the file cannot be opened, the server does not start.
    ///
    /// ```
    /// let builder = mcp_auth::server!().audit_file("/var/log/documents/audit.jsonl");
    /// # let _ = builder;
    /// ```
    pub fn audit_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit.file = Some(path.into());
        self
    }

    /// Sets when the operating system has to write the records of the file to the disk. Default: `MCP_AUDIT_SYNC`, which is
    /// `never`, `second` or `record`, or [`AuditSync::Never`] if that variable is unset.
    pub fn audit_sync(mut self, sync: AuditSync) -> Self {
        self.audit.sync = Some(sync);
        self
    }

    /// Writes the audit log to `tracing`, as events with the target `mcp_auth::audit`. The field `record` of an event contains
    /// the record as JSON.
    pub fn audit_to_tracing(mut self) -> Self {
        self.audit.lines = true;
        self
    }

    /// Writes the audit log to a sink of the application; may be called several times. Each sink has a queue and a thread of
    /// its own, so a sink that is stuck does not delay another sink.
    ///
    /// [`AuditSink`] has an example.
    pub fn audit_sink(mut self, sink: impl AuditSink) -> Self {
        let sinks = self.audit.sinks.get_mut();
        sinks
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(sink));
        self
    }

    /// Lets a call wait for room in the queues of the audit log before it runs, at most for this time. If there is still no
    /// room, the server answers 503, and the call does not run. Default: `MCP_AUDIT_WAIT`, in milliseconds. If that variable
    /// is unset, a call never waits, and a record for which there is no room is dropped and counted.
    ///
    /// With this setting, every call that runs has a record. If the disk is full and the queue too, the server serves no
    /// calls.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = mcp_auth::server!().audit_file("audit.jsonl").audit_wait(Duration::from_secs(2));
    /// # let _ = builder;
    /// ```
    pub fn audit_wait(mut self, longest: Duration) -> Self {
        self.audit.wait = Some(longest);
        self
    }

    /// Sets the largest number of records that wait for one sink. Default: `MCP_AUDIT_QUEUE`, or 8192 if that variable is
    /// unset. 8192 records take about 8 MiB.
    pub fn audit_queue(mut self, records: usize) -> Self {
        self.audit.queue = Some(records);
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[
    Variable::of_server(FILE),
    Variable::of_server(QUEUE),
    Variable::of_server(SYNC),
    Variable::of_server(WAIT),
];

impl AuditSettings {
    /// Returns the file of the audit log, if a setting names one.
    pub(in crate::server) fn file(&self) -> Option<&Path> {
        self.file.value.as_deref()
    }
}

impl AuditOptions {
    /// Resolves the settings. Opens no file.
    pub(in crate::server) fn resolve(
        &self,
        env: &Environment<'_>,
        findings: &mut Findings,
    ) -> AuditSettings {
        let sync = match self.sync {
            Some(sync) => Ok(sync),
            None => of_variable(env, SYNC, |text| match text {
                "never" => Ok(AuditSync::Never),
                "second" => Ok(AuditSync::EachSecond),
                "record" => Ok(AuditSync::EachRecord),
                _ => Err("`never`, `second` or `record` is expected"),
            })
            .map(Option::unwrap_or_default),
        };
        let wait = match self.wait {
            Some(wait) => Ok(Some(wait)),
            None => of_variable(env, WAIT, |text| {
                let wait = text.parse().map(Duration::from_millis);
                wait.map_err(|_| "a number of milliseconds is expected")
            }),
        };
        let queue = match self.queue {
            Some(records) => {
                let checked = Source::Code("audit_queue").at_least(records, &1, LEAST);
                checked.map(|()| Some(records))
            }
            None => of_variable(env, QUEUE, |text| match text.parse() {
                Ok(0) | Err(_) => Err(LEAST),
                Ok(records) => Ok(records),
            }),
        };
        AuditSettings {
            file: Setting::read(self.file.as_ref(), "audit_file", FILE, |name| {
                env.get(name).map(PathBuf::from)
            }),
            sync: findings.note(sync).unwrap_or_default(),
            wait: findings.note(wait).ok().flatten(),
            queue: findings.note(queue).ok().flatten().unwrap_or(USUAL_QUEUE),
        }
    }

    /// Opens the file and starts the audit log. `None` if no sink is set, and neither the explorer nor a test reads the
    /// records.
    pub(in crate::server) fn start(
        self,
        settings: AuditSettings,
        keys: &StateKeys,
        clock: &Arc<dyn Clock>,
        has_explorer: bool,
    ) -> Result<Option<Arc<Audit>>, Finding> {
        let sinks = self
            .sinks
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut sinks: Vec<_> = sinks.into_iter().map(Sink::Records).collect();
        if let Some(path) = settings.file.value {
            let file = AuditFile::open(&path, settings.sync).map_err(|error| {
                let source = settings.file.source;
                let (path, error) = (path.display(), chain(&error));
                let what = format!("{source} is `{path}`, which cannot be opened: {error}");
                let remedy =
                    "name a file in a folder that exists and in which the server may write";
                Finding::new(&codes::AUDIT_FILE_FAILED, what).remedy_is(remedy)
            })?;
            sinks.push(Sink::Lines(Box::new(file)));
        }
        if self.lines {
            sinks.push(Sink::Lines(Box::new(AuditLines::new())));
        }
        if sinks.is_empty() && !self.collects && !has_explorer {
            return Ok(None);
        }
        let failed = |what: String| Finding::new(&codes::AUDIT_FAILED, what);
        let key = keys.0.as_ref().and_then(|keys| keys.first());
        let key = key.map(|key| DigestKey::new(&key.derived(DIGESTS)));
        let digests = key.or_else(DigestKey::random);
        let digests = digests.ok_or_else(|| {
            failed("the operating system returned no random bytes for the audit log".to_owned())
        })?;
        let config = AuditConfig {
            sinks,
            digests,
            wait: settings.wait,
            queue: settings.queue,
            keeps_recent: has_explorer,
        };
        let audit = Audit::start(config, Arc::clone(clock)).map_err(|error| {
            failed(format!(
                "the thread of the audit log cannot be started: {}",
                chain(&error)
            ))
        })?;
        Ok(Some(audit))
    }
}

/// Reads a variable. `None` if it is unset.
fn of_variable<T>(
    env: &Environment<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Result<Option<T>, Finding> {
    let text = env.get(name);
    let value = text
        .map(|text| read(&text).map_err(|expected| Source::Variable(name).invalid(text, expected)));
    value.transpose()
}

impl fmt::Debug for AuditOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditOptions")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

const FILE: &str = "MCP_AUDIT";
const QUEUE: &str = "MCP_AUDIT_QUEUE";
const SYNC: &str = "MCP_AUDIT_SYNC";
const WAIT: &str = "MCP_AUDIT_WAIT";
const USUAL_QUEUE: usize = 8_192;
const LEAST: &str = "at least 1 is expected";
/// The purpose for which the key of the digests is derived from a state key.
const DIGESTS: &str = "mcp-auth audit digests 1";

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(builder: &ServerBuilder, name: &str, value: &str) -> (AuditSettings, Vec<String>) {
        let variable = |asked: &str| Some(value.to_owned()).filter(|_| asked == name);
        let mut findings = Findings::default();
        let settings = builder
            .audit
            .resolve(&Environment::of(&variable), &mut findings);
        let wrong = findings
            .check()
            .err()
            .map(|finding| finding.what().to_owned());
        (settings, wrong.into_iter().collect())
    }

    #[test]
    fn the_settings_are_set_in_code_or_else_by_the_environment() {
        let builder = ServerBuilder::of_package("p", "1");
        let (settings, _) = resolved(&builder, FILE, "a.jsonl");
        assert_eq!(settings.file.value, Some(PathBuf::from("a.jsonl")));
        assert_eq!((settings.sync, settings.wait), (AuditSync::Never, None));
        assert_eq!(
            resolved(&builder, SYNC, "second").0.sync,
            AuditSync::EachSecond
        );
        assert_eq!(
            resolved(&builder, SYNC, "record").0.sync,
            AuditSync::EachRecord
        );
        assert_eq!(resolved(&builder, QUEUE, "7").0.queue, 7);
        let wait = Duration::from_millis(250);
        assert_eq!(resolved(&builder, WAIT, "250").0.wait, Some(wait));
        let builder = builder
            .audit_file("b.jsonl")
            .audit_sync(AuditSync::EachRecord)
            .audit_wait(wait);
        assert_eq!(
            resolved(&builder, FILE, "a.jsonl").0.file.value,
            Some(PathBuf::from("b.jsonl"))
        );
        assert_eq!(
            resolved(&builder, SYNC, "never").0.sync,
            AuditSync::EachRecord
        );
        assert_eq!(resolved(&builder, WAIT, "1").0.wait, Some(wait));
    }

    #[test]
    fn without_a_sink_there_is_an_audit_log_only_for_the_explorer() {
        for has_explorer in [false, true] {
            let builder = ServerBuilder::of_package("p", "1");
            let (settings, _) = resolved(&builder, "", "");
            let clock: Arc<dyn Clock> = crate::identity::test_support::clock();
            let started = builder
                .audit
                .start(settings, &StateKeys(None), &clock, has_explorer);
            let audit = started.unwrap();
            assert_eq!(audit.is_some(), has_explorer);
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let builder = ServerBuilder::of_package("p", "1");
        for (name, value, what) in [
            (
                SYNC,
                "always",
                "MCP_AUDIT_SYNC is `always`: `never`, `second` or `record` is expected",
            ),
            (
                WAIT,
                "2s",
                "MCP_AUDIT_WAIT is `2s`: a number of milliseconds is expected",
            ),
        ] {
            assert_eq!(resolved(&builder, name, value).1, [what]);
        }
        let builder = builder.audit_queue(0);
        assert_eq!(
            resolved(&builder, "", "").1,
            ["`audit_queue` is `0`: at least 1 is expected"]
        );
    }
}
