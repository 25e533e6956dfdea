//! The audit log: a record of each decision. Separate threads write the records.
//!
//! This module contains the form of a record, the sinks and their queues. The module makes no decisions and no records:
//! `protocol` makes the records. A record contains neither arguments nor tokens, and no name that a caller made up.
//!
//! INVARIANT: a record is written, or its loss is counted, logged and written as a record of its own.

mod digest;
mod file;
mod json;
mod log;
mod queue;
mod recent;
mod record;
mod sign_ins;
mod sink;

#[cfg(feature = "testing")]
use std::collections::VecDeque;
use std::sync::Arc;
#[cfg(feature = "testing")]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use crate::clock::Clock;

use self::queue::{Entry, Place, Writer};
use self::sign_ins::SignIns;

pub use self::file::{AuditFile, AuditSync};
pub use self::record::{
    AuditEvent, AuditFact, AuditFacts, AuditOutcome, AuditPrimitive, AuditRecord, AuditRequirement,
    FactSource,
};
pub use self::sink::AuditSink;

pub(crate) use self::digest::DigestKey;
pub(crate) use self::log::AuditLines;
pub(crate) use self::recent::Recent;
pub(crate) use self::record::timestamp;
pub(crate) use self::sink::Sink;

/// The audit log of a server.
pub(crate) struct Audit {
    clock: Arc<dyn Clock>,
    digests: DigestKey,
    sign_ins: SignIns,
    /// The longest time that a call waits for room in the queues. `None` if records without room are dropped.
    wait: Option<Duration>,
    writers: Vec<Writer>,
    /// The last records, which the explorer shows. `None` without an explorer.
    recent: Option<Recent>,
    #[cfg(feature = "testing")]
    collected: Mutex<VecDeque<AuditRecord>>,
}

/// The settings of an audit log.
pub(crate) struct AuditConfig {
    pub(crate) sinks: Vec<Sink>,
    pub(crate) digests: DigestKey,
    /// The longest time that a call waits for room in the queues. `None` if records without room are dropped.
    pub(crate) wait: Option<Duration>,
    /// The largest number of records that wait for one sink.
    pub(crate) queue: usize,
    /// True if the explorer shows the last records.
    pub(crate) keeps_recent: bool,
}

/// A reserved place for one record in the queue of each sink.
#[derive(Debug)]
pub(crate) struct Room(Vec<Place>);

/// The queue of a sink had no free place in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoRoom;

impl Audit {
    /// Starts a thread for each sink.
    pub(crate) fn start(config: AuditConfig, clock: Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        let AuditConfig {
            sinks,
            digests,
            wait,
            queue,
            keeps_recent,
        } = config;
        let sinks = sinks.into_iter();
        let writers = sinks.map(|sink| Writer::start(sink, queue, Arc::clone(&clock)));
        let audit = Arc::new(Self {
            writers: writers.collect::<Result<_, _>>()?,
            sign_ins: SignIns::default(),
            clock,
            digests,
            wait,
            recent: keeps_recent.then(|| Recent::new(MOST_RECENT)),
            #[cfg(feature = "testing")]
            collected: Default::default(),
        });
        if let Some(writer) = audit.writers.first() {
            let audit = Arc::downgrade(&audit);
            writer.each_second(move || {
                if let Some(audit) = audit.upgrade() {
                    audit.write_due_sign_ins();
                }
            });
        }
        Ok(audit)
    }

    /// Returns true if a call runs only when the queues of the audit log have room for its record.
    pub(crate) fn waits(&self) -> bool {
        self.wait.is_some()
    }

    /// Waits until every queue has room for a record.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if a queue is still full after the time of the setting `audit_wait`.
    pub(crate) async fn reserve(&self) -> Result<Room, NoRoom> {
        let wait = self.wait.unwrap_or_default();
        let all = async {
            let mut rooms = Vec::with_capacity(self.writers.len());
            for writer in &self.writers {
                rooms.push(writer.reserve().await.ok_or(NoRoom)?);
            }
            Ok(Room(rooms))
        };
        let reserved = tokio::time::timeout(wait, all).await;
        reserved.unwrap_or(Err(NoRoom))
    }

    /// Returns the digest of a call's arguments.
    pub(crate) fn digest(&self, arguments: &str) -> String {
        self.digests.of(arguments)
    }

    /// Returns the number of lost records. A record that two sinks lost counts twice.
    pub(crate) fn lost(&self) -> u64 {
        self.writers.iter().map(Writer::lost).sum()
    }

    /// Returns the time of day, as a record shows it.
    pub(crate) fn now(&self) -> String {
        timestamp(self.clock.unix_ms())
    }

    /// Counts a request that was refused because it has no token or a bad token. The first refusal for a reason has a
    /// record. Further refusals for the same reason share one record a minute, which contains the number of these
    /// refusals. So a stranger cannot fill the disk.
    pub(crate) fn refused_sign_in(&self, reason: &'static str) {
        self.sign_ins.count(reason);
        self.write_due_sign_ins();
    }

    fn write_due_sign_ins(&self) {
        for (reason, count) in self.sign_ins.due(self.clock.uptime()) {
            self.write(
                AuditRecord::sign_in_refused(self.now(), reason, count),
                None,
            );
        }
    }

    /// Writes a record. Without `room`, the record is dropped and counted if a queue is full.
    pub(crate) fn write(&self, record: AuditRecord, room: Option<Room>) {
        #[cfg(feature = "testing")]
        self.collect(&record);
        let recent = self.recent.as_ref().zip(record.trace_id.as_deref());
        let takes_lines = self.writers.iter().any(Writer::takes_lines);
        let line = (takes_lines || recent.is_some()).then(|| record.to_json());
        let line = line.unwrap_or_default();
        // A sink would get the record on its own thread, perhaps after the response. The explorer asks for the record as soon
        // as it has the response.
        if let Some((recent, trace_id)) = recent {
            recent.push(trace_id, line.clone());
        }
        let takes_records = !self.writers.iter().all(Writer::takes_lines);
        let record = takes_records.then(|| Arc::new(record));
        let mut rooms = room.map_or_else(Vec::new, |Room(rooms)| rooms).into_iter();
        for writer in &self.writers {
            let entry = match &record {
                Some(record) if !writer.takes_lines() => Entry::Record(Arc::clone(record)),
                Some(_) | None => Entry::Line(&line),
            };
            writer.write(entry, rooms.next());
        }
    }

    /// Returns the last records of the requests with this trace id, as JSON. Empty without an explorer.
    pub(crate) fn recent(&self, trace_id: &str) -> Vec<String> {
        let recent = self.recent.as_ref();
        recent.map_or_else(Vec::new, |recent| recent.of(trace_id))
    }

    /// Writes the counts of refused sign-ins, and waits at most five seconds until the sinks have written every record. The
    /// remaining records are lost, and the log has their number.
    pub(crate) fn close(&self) {
        for (reason, count) in self.sign_ins.all() {
            self.write(
                AuditRecord::sign_in_refused(self.now(), reason, count),
                None,
            );
        }
        for writer in &self.writers {
            writer.close();
        }
    }
}

#[cfg(feature = "testing")]
impl Audit {
    fn collect(&self, record: &AuditRecord) {
        let mut collected = self
            .collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if collected.len() == MOST_COLLECTED {
            collected.pop_front();
        }
        collected.push_back(record.clone());
    }

    /// Returns the records since the last call.
    pub(crate) fn collected(&self) -> Vec<AuditRecord> {
        let mut collected = self
            .collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *collected).into()
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("writers", &self.writers.len())
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// The largest number of records that the explorer can show.
const MOST_RECENT: usize = 256;
/// The largest number of records that a test can read at once.
#[cfg(feature = "testing")]
const MOST_COLLECTED: usize = 10_000;
