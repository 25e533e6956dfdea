//! The queue and the thread of a sink.
//!
//! INVARIANT: a record holds its place in the queue until the sink has flushed the record. A call waits for a place only if
//! `audit_wait` is set.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::identity::LogThrottle;

use super::record::{AuditRecord, timestamp};
use super::sink::AuditSink;

/// Passes records to the thread of a sink.
pub(super) struct Writer {
    messages: Sender<Message>,
    shared: Arc<Shared>,
    thread: Thread,
    /// Receives an error when the thread has ended, because the thread drops the sender.
    ended: Mutex<Receiver<()>>,
}

/// The next work of the thread.
enum Message {
    Write(Queued),
    Close,
}

/// A record with its place in the queue.
struct Queued {
    record: Arc<AuditRecord>,
    _place: Place,
}

/// A place in the queue. Dropping the value frees the place.
#[derive(Debug)]
pub(super) struct Place(Arc<Semaphore>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// The free places.
    places: Arc<Semaphore>,
    /// The number of all places.
    capacity: usize,
    /// The number of all records that were lost.
    all_lost: AtomicU64,
    /// The number of records that were lost since the last record of the event `lost`.
    lost: AtomicU64,
    lost_log: LogThrottle,
    failure_log: LogThrottle,
    is_closed: AtomicBool,
    /// True while the thread waits for more records.
    is_gathering: AtomicBool,
    /// The time at which the thread stops trying.
    deadline: OnceLock<Instant>,
    /// The function that the thread calls once a second.
    tick: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Writer {
    /// Starts the thread of a sink, whose queue has `places` places.
    ///
    /// # Errors
    ///
    /// The error of the operating system, if it cannot create the thread.
    pub(super) fn start(
        sink: Box<dyn AuditSink>,
        places: usize,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let (messages, received) = mpsc::channel();
        let (running, ended) = mpsc::channel();
        let shared = Arc::new(Shared {
            clock,
            places: Arc::new(Semaphore::new(places)),
            capacity: places,
            all_lost: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lost_log: LogThrottle::default(),
            failure_log: LogThrottle::default(),
            is_closed: AtomicBool::new(false),
            is_gathering: AtomicBool::new(false),
            deadline: OnceLock::new(),
            tick: OnceLock::new(),
        });
        let work = Work {
            sink,
            messages: received,
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new()
            .name("mcp-auth-audit".to_owned())
            .spawn(move || {
                let _running: Sender<()> = running;
                work.run();
            })?;
        Ok(Self {
            messages,
            shared,
            thread: thread.thread().clone(),
            ended: Mutex::new(ended),
        })
    }

    /// Makes the thread call `work` once a second.
    pub(super) fn each_second(&self, work: impl Fn() + Send + Sync + 'static) {
        let _ = self.shared.tick.set(Box::new(work));
    }

    /// Waits for a place in the queue.
    pub(super) async fn reserve(&self) -> Option<Place> {
        let places = &self.shared.places;
        places.acquire().await.ok()?.forget();
        Some(Place(Arc::clone(places)))
    }

    /// Adds a record to the queue. If the record has no reserved place and the queue is full, the record is lost.
    pub(super) fn write(&self, record: Arc<AuditRecord>, place: Option<Place>) {
        let places = &self.shared.places;
        let free = || {
            places.try_acquire().ok()?.forget();
            Some(Place(Arc::clone(places)))
        };
        let sent = place.or_else(free).is_some_and(|place| {
            let queued = Queued {
                record,
                _place: place,
            };
            !self.shared.is_closed.load(Ordering::Acquire)
                && self.messages.send(Message::Write(queued)).is_ok()
        });
        if !sent {
            self.shared.lose_one();
        }
        if self.shared.is_half_full() && self.shared.is_gathering.swap(false, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }

    /// Returns the number of records that were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.shared.all_lost.load(Ordering::Acquire)
    }

    /// Waits at most the time [`CLOSING`] until the sink has written the records of the queue.
    pub(super) fn close(&self) {
        if self.shared.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let deadline = Instant::now().checked_add(CLOSING);
        let _ = self
            .shared
            .deadline
            .set(deadline.unwrap_or_else(Instant::now));
        let _ = self.messages.send(Message::Close);
        self.thread.unpark();
        if thread::current().id() == self.thread.id() {
            return;
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(CLOSING + GRACE) == Err(RecvTimeoutError::Timeout) {
            let queued = self
                .shared
                .capacity
                .saturating_sub(self.shared.places.available_permits());
            let records = self
                .shared
                .lost
                .load(Ordering::Acquire)
                .saturating_add(queued as u64);
            tracing::error!(target: "mcp_auth", fact = "sink_dropping", records, "audit records are lost: the sink is stuck, and the server stops");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Counts lost records. The next record `lost` has their number, or else the log when the server stops.
    fn lose(&self, records: u64) {
        self.all_lost.fetch_add(records, Ordering::AcqRel);
        self.lost.fetch_add(records, Ordering::AcqRel);
    }

    /// Counts a record for which the queue has no room.
    fn lose_one(&self) {
        self.lose(1);
        if let Some(records) = self.lost_log.due(self.clock.uptime()) {
            tracing::warn!(target: "mcp_auth", fact = "sink_dropping", records, "audit records are lost: there is no room for them");
        }
    }

    fn is_half_full(&self) -> bool {
        self.places.available_permits().saturating_mul(2) <= self.capacity
    }

    /// Waits for more records, so that the thread does not wake up for each record. Returns at once if the queue is half
    /// full, or if the server is closing.
    fn gather(&self) {
        self.is_gathering.store(true, Ordering::Release);
        if !self.is_half_full() && !self.is_closed.load(Ordering::Acquire) {
            thread::park_timeout(GATHER);
        }
        self.is_gathering.store(false, Ordering::Release);
    }

    /// Repeats an operation of the sink until the operation succeeds. Returns false if the server is closing and the time is
    /// over.
    fn insist(&self, mut operation: impl FnMut() -> io::Result<()>) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = catch_unwind(AssertUnwindSafe(&mut operation));
            let outcome = outcome.unwrap_or_else(|_| Err(io::Error::other("the sink panicked")));
            let Err(error) = outcome else { return true };
            if let Some(failures) = self.failure_log.due(self.clock.uptime()) {
                tracing::error!(target: "mcp_auth", %error, failures, "the audit sink failed; its records wait");
            }
            let rest = self.deadline.get();
            let rest = rest.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if rest == Some(Duration::ZERO) {
                return false;
            }
            thread::park_timeout(rest.map_or(pause, |rest| pause.min(rest)));
            pause = LONGEST_PAUSE.min(pause.saturating_mul(2));
        }
    }
}

/// The work of the thread.
struct Work {
    sink: Box<dyn AuditSink>,
    messages: Receiver<Message>,
    shared: Arc<Shared>,
}

impl Work {
    fn run(mut self) {
        let mut last_tick = Instant::now();
        let mut is_open = true;
        let mut is_behind = false;
        while is_open {
            let mut batch = Vec::new();
            let mut next = match self.messages.recv_timeout(TICK) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Message::Close),
            };
            if matches!(next, Some(Message::Write(_))) && !is_behind {
                self.shared.gather();
            }
            while let Some(message) = next {
                match message {
                    Message::Write(queued) => batch.push(queued),
                    Message::Close => is_open = false,
                }
                next = (batch.len() < BATCH)
                    .then(|| self.messages.try_recv().ok())
                    .flatten();
            }
            is_behind = batch.len() == BATCH;
            self.write(batch);
            if last_tick.elapsed() >= TICK {
                last_tick = Instant::now();
                if let Some(tick) = self.shared.tick.get() {
                    tick();
                }
            }
        }
        // A call that ended at the same time may have added its record after the last message.
        while let Ok(message) = self.messages.try_recv() {
            if let Message::Write(queued) = message {
                self.write(vec![queued]);
            }
        }
        let records = self.shared.lost.load(Ordering::Acquire);
        if records > 0 {
            tracing::error!(target: "mcp_auth", fact = "sink_dropping", records, "audit records are lost: the sink failed until the server stopped");
        }
    }

    /// Writes a batch, and then the number of the records that were lost.
    fn write(&mut self, batch: Vec<Queued>) {
        let Self { sink, shared, .. } = self;
        let mut all = batch.iter();
        let is_kept = all.all(|queued| shared.insist(|| sink.write(&queued.record)))
            && shared.insist(|| sink.flush());
        if !is_kept {
            return shared.lose(batch.len() as u64);
        }
        // The places are free before the next record is written.
        drop(batch);
        let lost = shared.lost.swap(0, Ordering::AcqRel);
        if lost == 0 {
            return;
        }
        let record = AuditRecord::lost(timestamp(shared.clock.unix_ms()), lost);
        let is_kept = shared.insist(|| sink.write(&record)) && shared.insist(|| sink.flush());
        if !is_kept {
            shared.lost.fetch_add(lost, Ordering::AcqRel);
        }
    }
}

/// The largest number of records between two flushes.
const BATCH: usize = 256;
/// The time for which the thread waits for more records after the first record.
const GATHER: Duration = Duration::from_millis(10);
/// The longest time between two flushes.
const TICK: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time that the server waits for a sink before it stops.
const CLOSING: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
