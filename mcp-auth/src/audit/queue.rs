//! The queue and the thread of a sink.
//!
//! INVARIANT: a record holds its place in the queue until the sink has flushed the record. A call waits for a place only if
//! `audit_wait` is set.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use std::{io, mem};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::identity::LogThrottle;

use super::record::{AuditRecord, timestamp};
use super::sink::Sink;

/// Passes records to the thread of a sink.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Thread,
    /// Receives an error when the thread has ended, because the thread drops the sender.
    ended: Mutex<Receiver<()>>,
}

/// A place in the queue. Dropping the value frees the place.
pub(super) type Place = OwnedSemaphorePermit;

/// A record in the form that a sink takes.
#[derive(Clone, Debug)]
pub(super) enum Entry<'a> {
    /// The record as JSON, without a line break.
    Line(&'a str),
    Record(Arc<AuditRecord>),
}

/// Records that wait for the sink.
#[derive(Debug, Default)]
struct Batch {
    count: usize,
    /// Records as JSON, each with a line break.
    lines: String,
    records: Vec<Arc<AuditRecord>>,
}

#[derive(Debug, Default)]
struct Queue {
    batch: Batch,
    /// True while the thread waits for more records.
    is_gathering: bool,
    is_closed: bool,
}

struct Shared {
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    /// Wakes the thread.
    news: Condvar,
    /// The free places.
    places: Arc<Semaphore>,
    /// The number of all places.
    capacity: usize,
    /// True if the sink takes lines.
    takes_lines: bool,
    /// The number of all records that were lost.
    all_lost: AtomicU64,
    /// The number of records that were lost since the last record of the event `lost`.
    lost: AtomicU64,
    lost_log: LogThrottle,
    failure_log: LogThrottle,
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
    pub(super) fn start(sink: Sink, places: usize, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (running, ended) = mpsc::channel();
        let shared = Arc::new(Shared {
            clock,
            queue: Mutex::default(),
            news: Condvar::new(),
            places: Arc::new(Semaphore::new(places)),
            capacity: places,
            takes_lines: matches!(sink, Sink::Lines(_)),
            all_lost: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lost_log: LogThrottle::default(),
            failure_log: LogThrottle::default(),
            deadline: OnceLock::new(),
            tick: OnceLock::new(),
        });
        let work = Work {
            sink,
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new()
            .name("mcp-auth-audit".to_owned())
            .spawn(move || {
                let _running: Sender<()> = running;
                work.run();
            })?;
        Ok(Self {
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
        let places = Arc::clone(&self.shared.places);
        places.acquire_owned().await.ok()
    }

    /// Returns true if the sink takes records as lines.
    pub(super) fn takes_lines(&self) -> bool {
        self.shared.takes_lines
    }

    /// Adds a record to the queue, in the form that the sink takes. If the record has no reserved place and the queue is
    /// full, the record is lost.
    pub(super) fn write(&self, entry: Entry<'_>, place: Option<Place>) {
        let places = &self.shared.places;
        let has_place = match place {
            // From now on, the record has the place.
            Some(place) => {
                place.forget();
                true
            }
            None => places.try_acquire().map(SemaphorePermit::forget).is_ok(),
        };
        if has_place && self.shared.add(entry) {
            return;
        }
        if has_place {
            places.add_permits(1);
        }
        self.shared.lose_one();
    }

    /// Returns the number of records that were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.shared.all_lost.load(Ordering::Acquire)
    }

    /// Waits at most the time [`CLOSING`] until the sink has written the records of the queue.
    pub(super) fn close(&self) {
        let now = Instant::now();
        let deadline = now.checked_add(CLOSING).unwrap_or(now);
        if self.shared.deadline.set(deadline).is_err() {
            return;
        }
        self.shared.lock().is_closed = true;
        self.shared.news.notify_one();
        // The thread may also pause before it tries a failed operation again.
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

impl Batch {
    fn push(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Line(line) => {
                self.lines.push_str(line);
                self.lines.push('\n');
            }
            Entry::Record(record) => self.records.push(record),
        }
        self.count += 1;
    }

    fn clear(&mut self) {
        self.count = 0;
        self.lines.clear();
        self.lines.shrink_to(MOST_KEPT);
        self.records.clear();
    }
}

impl Shared {
    /// Locks the queue. Ignores poisoning: no code panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record that has a place. Returns false if the server is closing.
    fn add(&self, entry: Entry<'_>) -> bool {
        let mut queue = self.lock();
        if queue.is_closed {
            return false;
        }
        queue.batch.push(entry);
        let is_first = queue.batch.count == 1;
        let is_urgent = queue.is_gathering && self.is_half_full();
        if is_urgent {
            queue.is_gathering = false;
        }
        drop(queue);
        if is_first || is_urgent {
            self.news.notify_one();
        }
        true
    }

    /// Waits for records, at most the time [`TICK`], and moves them all to `batch`, which is empty. Returns false if the
    /// server is closing: no further record comes.
    fn take(&self, batch: &mut Batch) -> bool {
        let queue = self.lock();
        let is_quiet = |queue: &mut Queue| queue.batch.count == 0 && !queue.is_closed;
        let queue = self.news.wait_timeout_while(queue, TICK, is_quiet);
        let (mut queue, _) = queue.unwrap_or_else(PoisonError::into_inner);
        // Wait for more records, so that the thread does not wake up for each record.
        queue.is_gathering = queue.batch.count > 0 && !self.is_half_full();
        let gathers = |queue: &mut Queue| queue.is_gathering && !queue.is_closed;
        let queue = self.news.wait_timeout_while(queue, GATHER, gathers);
        let (mut queue, _) = queue.unwrap_or_else(PoisonError::into_inner);
        queue.is_gathering = false;
        mem::swap(&mut queue.batch, batch);
        !queue.is_closed
    }

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

    /// Repeats an operation that keeps records until the operation succeeds, and frees the places of the records. If the
    /// server is closing and the time is over, the records are lost.
    fn settle(&self, records: usize, keep: impl FnMut() -> io::Result<()>) {
        if !self.insist(keep) {
            self.lose(records as u64);
        }
        self.places.add_permits(records);
    }

    fn is_half_full(&self) -> bool {
        self.places.available_permits().saturating_mul(2) <= self.capacity
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
    sink: Sink,
    shared: Arc<Shared>,
}

impl Work {
    fn run(mut self) {
        let mut last_tick = Instant::now();
        let mut batch = Batch::default();
        let mut is_open = true;
        while is_open {
            is_open = self.shared.take(&mut batch);
            self.write(&batch);
            batch.clear();
            if last_tick.elapsed() >= TICK {
                last_tick = Instant::now();
                if let Some(tick) = self.shared.tick.get() {
                    tick();
                }
            }
        }
        let records = self.shared.lost.load(Ordering::Acquire);
        if records > 0 {
            tracing::error!(target: "mcp_auth", fact = "sink_dropping", records, "audit records are lost: the sink failed until the server stopped");
        }
    }

    /// Writes a batch, and then the number of the records that were lost.
    fn write(&mut self, batch: &Batch) {
        let Self { sink, shared } = self;
        match sink {
            Sink::Lines(sink) if batch.count > 0 => {
                sink.add_lines(&batch.lines);
                shared.settle(batch.count, || sink.keep_lines());
            }
            Sink::Lines(_) => {}
            Sink::Records(sink) => {
                for records in batch.records.chunks(MOST_UNFLUSHED) {
                    let mut rest = records.iter();
                    let mut next = rest.next();
                    shared.settle(records.len(), || {
                        // After an error, only the records that the sink did not take are left.
                        while let Some(record) = next {
                            sink.write(record)?;
                            next = rest.next();
                        }
                        sink.flush()
                    });
                }
            }
        }
        self.write_lost();
    }

    /// Writes the number of the records that were lost since the last time.
    fn write_lost(&mut self) {
        let Self { sink, shared } = self;
        let lost = shared.lost.swap(0, Ordering::AcqRel);
        if lost == 0 {
            return;
        }
        let record = AuditRecord::lost(timestamp(shared.clock.unix_ms()), lost);
        let is_kept = match sink {
            Sink::Lines(sink) => {
                sink.add_lines(&format!("{}\n", record.to_json()));
                shared.insist(|| sink.keep_lines())
            }
            Sink::Records(sink) => {
                shared.insist(|| sink.write(&record)) && shared.insist(|| sink.flush())
            }
        };
        if !is_kept {
            shared.lost.fetch_add(lost, Ordering::AcqRel);
        }
    }
}

/// The largest number of records between two flushes of a sink that takes records.
const MOST_UNFLUSHED: usize = 256;
/// The largest number of bytes that the buffer of lines keeps while it is empty.
const MOST_KEPT: usize = 512 * 1024;
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
