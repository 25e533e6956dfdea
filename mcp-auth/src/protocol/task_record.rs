//! The content of a task: the data that a client reads, and the data that the server needs to continue the task.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::identity::{Caller, Org, UrlOrg};
use crate::primitive::{Asking, Client, ClientAnswer, Given, GivenCode, QuestionId};

use super::tasks::StoredTask;

/// The content of a task.
#[derive(Deserialize, Serialize)]
pub(super) struct TaskRecord {
    /// The caller, without the organization in which the caller acts. The server recognizes a task of another caller
    /// from this value without a look-up.
    pub(super) caller: String,
    pub(super) tool: String,
    /// The arguments, as JSON.
    pub(super) arguments: String,
    /// The capabilities that the client declared, as JSON.
    pub(super) capabilities: String,
    /// The time when the task was created, in milliseconds since 1970. All times of a task have this unit.
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) state: TaskState,
    /// The answers so far, by the name of the question.
    pub(super) answers: BTreeMap<String, ClientAnswer>,
    /// The number of runs that ended with a question.
    pub(super) rounds: u32,
}

/// The state of a task. The last three states are final.
#[derive(Deserialize, Serialize)]
pub(super) enum TaskState {
    /// The function runs in a process. The process renews the lease while the function runs.
    Working {
        lease: u64,
    },
    /// The function waits for answers. The questions are stored by their keys.
    InputRequired(BTreeMap<String, Pending>),
    /// The call has ended. The value is its result, as JSON.
    Completed(Box<RawValue>),
    /// The task has failed. The value is the JSON-RPC error, as JSON.
    Failed(Box<RawValue>),
    Cancelled,
}

/// A question that has no answer yet.
#[derive(Deserialize, Serialize)]
pub(super) struct Pending {
    name: String,
    id: QuestionId,
    /// The question as a request to the client.
    request: Value,
}

impl TaskRecord {
    /// Returns true if the task has ended.
    pub(super) fn is_final(&self) -> bool {
        match self.state {
            TaskState::Completed(_) | TaskState::Failed(_) | TaskState::Cancelled => true,
            TaskState::InputRequired(_) | TaskState::Working { .. } => false,
        }
    }

    /// Returns true if the task is working, but the process that ran the function has not renewed the lease in time.
    pub(super) fn is_abandoned(&self, now: u64) -> bool {
        match self.state {
            TaskState::Working { lease } => lease <= now,
            TaskState::Cancelled
            | TaskState::Completed(_)
            | TaskState::Failed(_)
            | TaskState::InputRequired(_) => false,
        }
    }

    /// Makes the task wait for answers. Each question gets a key that is unique over all rounds.
    pub(super) fn ask(&mut self, asking: &Asking) {
        let questions = asking.questions.iter();
        let pending = questions.map(|(name, question)| {
            let pending = Pending {
                name: name.clone(),
                id: question.id.clone(),
                request: json!({ "method": question.ability.method(), "params": question.params }),
            };
            (format!("{name}.{}", asking.rounds), pending)
        });
        self.state = TaskState::InputRequired(pending.collect());
        self.answers.clone_from(&asking.answered);
        self.rounds = asking.rounds;
    }

    /// Takes the answers to questions that wait, and ignores all other answers. Returns false if no question waited for
    /// any of the answers. When all questions are answered, the task can continue.
    pub(super) fn answer(&mut self, answers: BTreeMap<String, Box<RawValue>>) -> bool {
        let TaskState::InputRequired(pending) = &mut self.state else {
            return false;
        };
        let before = pending.len();
        for (key, value) in answers {
            if let Some(Pending { name, id, .. }) = pending.remove(&key) {
                let question = Some(id);
                self.answers.insert(name, ClientAnswer { question, value });
            }
        }
        pending.len() < before
    }

    /// Returns true if all questions are answered, and the task has not yet continued.
    pub(super) fn has_all_answers(&self) -> bool {
        matches!(&self.state, TaskState::InputRequired(pending) if pending.is_empty())
    }

    /// Returns the answers of earlier runs, which the function needs in its next run.
    pub(super) fn given(&self) -> Given {
        Given {
            client: Client::Declared(self.capabilities.as_str().into()),
            answers: self.answers.clone(),
            rounds: self.rounds,
            continues: true,
            code: GivenCode::Absent,
        }
    }

    /// Returns the status as a client sees it.
    pub(super) fn status(&self) -> &'static str {
        match self.state {
            TaskState::Working { .. } => "working",
            TaskState::InputRequired(_) => "input_required",
            TaskState::Completed(_) => "completed",
            TaskState::Failed(_) => "failed",
            TaskState::Cancelled => "cancelled",
        }
    }

    /// Returns the JSON text of the task as a client sees it, without the result or the error, and without the closing
    /// brace.
    fn head(&self, stored: &StoredTask) -> String {
        let task = json!({
            "taskId": stored.id,
            "status": self.status(),
            "createdAt": written(self.created),
            "lastUpdatedAt": written(self.updated),
            "ttlMs": stored.expires_at.saturating_sub(self.created),
            "pollIntervalMs": POLL_INTERVAL_MS,
        });
        let task = task.to_string();
        task.strip_suffix('}').unwrap_or(&task).to_owned()
    }

    /// Returns the JSON text of a `CreateTaskResult` without the closing brace, so that the caller can add members.
    pub(super) fn created(&self, stored: &StoredTask) -> String {
        self.head(stored)
    }

    /// Returns the JSON text of a `DetailedTask` without the closing brace, so that the caller can add members.
    pub(super) fn detailed(&self, stored: &StoredTask) -> String {
        let head = self.head(stored);
        match &self.state {
            TaskState::Working { .. } | TaskState::Cancelled => head,
            TaskState::InputRequired(pending) => {
                let requests = pending.iter();
                let requests: Map<_, _> = requests
                    .map(|(key, pending)| (key.clone(), pending.request.clone()))
                    .collect();
                format!(r#"{head},"inputRequests":{}"#, Value::Object(requests))
            }
            TaskState::Completed(result) => format!(r#"{head},"result":{result}"#),
            TaskState::Failed(error) => format!(r#"{head},"error":{error}"#),
        }
    }

    /// Returns the next revision of the stored task, with this content. The task expires `ttl`
    /// after `now`, or later if the stored task expires later.
    pub(super) fn stored(
        &self,
        before: &StoredTask,
        now: u64,
        ttl: Duration,
    ) -> Option<StoredTask> {
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        Some(StoredTask {
            id: before.id.clone(),
            subject: before.subject.clone(),
            owner: before.owner.clone(),
            revision: before.revision.checked_add(1)?,
            // The time never moves back, because the client already knows the old time.
            expires_at: now.saturating_add(ttl).max(before.expires_at),
            content: serde_json::to_string(self).ok()?,
        })
    }

    /// Reads a task of a store. `None` if the task belongs to another user or machine than `subject`. The server does not
    /// parse the content of such a task, which may be long.
    pub(super) fn read_of(stored: &StoredTask, subject: &str) -> Option<Self> {
        (stored.subject == subject).then(|| Self::read(stored))?
    }

    /// Reads a task of a store, whose caller is known.
    pub(super) fn read(stored: &StoredTask) -> Option<Self> {
        serde_json::from_str(&stored.content).ok()
    }
}

/// A new task id: 256 random bits. `None` if the operating system has no random bytes.
pub(super) fn new_id() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns a text that identifies a user or machine, with all its clients and in all its organizations.
pub(super) fn subject(caller: &Caller) -> String {
    let mut bytes = Vec::new();
    for part in [caller.verified().issuer(), caller.subject()] {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &bytes))
}

/// Returns a text that identifies a caller in an organization, and at a URL that may name an organization.
pub(super) fn owner(caller: &Caller, org: Option<&Org>, url_org: &UrlOrg) -> String {
    let mut bytes = caller.principal_in(org).to_bytes();
    bytes.extend(url_org.to_bytes());
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &bytes))
}

/// Writes a time as RFC 3339 in UTC.
fn written(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1_000, unix_ms % 1_000);
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// The time after which a client should ask for the state of a task again.
const POLL_INTERVAL_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(written(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(1_795_824_061_007), "2026-11-28T00:01:01.007Z");
    }

    #[test]
    fn ids_are_random() {
        let (one, other) = (new_id().unwrap(), new_id().unwrap());
        assert_eq!((one.len(), other.len()), (43, 43));
        assert_ne!(one, other);
    }

    #[test]
    fn the_content_of_another_users_task_is_not_parsed() {
        let stored = StoredTask {
            id: "id".to_owned(),
            subject: "ada".to_owned(),
            owner: "owner".to_owned(),
            revision: 1,
            expires_at: 1,
            content: format!("[{}0]", "0,".repeat(2_000_000)),
        };
        let reads = |subject, count: usize| {
            let start = std::time::Instant::now();
            assert!((0..count).all(|_| TaskRecord::read_of(&stored, subject).is_none()));
            start.elapsed()
        };
        let parsed = serde_json::from_str::<Value>(&stored.content);
        assert!(parsed.is_ok());
        let start = std::time::Instant::now();
        drop(serde_json::from_str::<serde::de::IgnoredAny>(
            &stored.content,
        ));
        let parsing = start.elapsed();
        assert!(reads("grace", 1_000) < parsing);
    }

    #[test]
    fn every_state_is_read_as_it_was_written() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let pending = Pending {
            name: "name".to_owned(),
            id: serde_json::from_str(r#""id""#).unwrap(),
            request: json!({ "method": "roots/list" }),
        };
        for state in [
            TaskState::Working { lease: 7 },
            TaskState::InputRequired([("name.1".to_owned(), pending)].into()),
            TaskState::Completed(raw(r#"{"b":1e400,"a":2}"#)),
            TaskState::Failed(raw(r#"{"code":-32603}"#)),
            TaskState::Cancelled,
        ] {
            let record = TaskRecord {
                caller: String::new(),
                tool: "tool".to_owned(),
                arguments: "{}".to_owned(),
                capabilities: String::new(),
                created: 1,
                updated: 2,
                state,
                answers: BTreeMap::new(),
                rounds: 0,
            };
            let before = StoredTask {
                id: "id".to_owned(),
                subject: "subject".to_owned(),
                owner: "owner".to_owned(),
                revision: 0,
                expires_at: 0,
                content: String::new(),
            };
            let stored = record.stored(&before, 3, Duration::from_millis(4)).unwrap();
            assert_eq!((stored.revision, stored.expires_at), (1, 7));
            assert!(TaskRecord::read_of(&stored, "other").is_none());
            let again = TaskRecord::read_of(&stored, "subject").unwrap();
            assert_eq!(again.detailed(&stored), record.detailed(&stored));
            assert_eq!(again.is_final(), record.is_final());
        }
    }
}
