//! The events of a session: the stream of each event, and whether a connection has taken the event.
//!
//! The code here neither waits nor locks. The module `stream` waits and locks.
//!
//! INVARIANT: each event belongs to one stream, and at most one connection reads a stream. An event is therefore never
//! sent on two streams (MCP 2025-11-25, basic/transports, multiple connections).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;

/// The number of the stream that a client opens with a GET.
pub(super) const STANDALONE: u64 = 0;

/// The id of an event: the number of its stream, and its position in the stream. The id is unique in the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct EventId {
    pub(super) stream: u64,
    pub(super) position: u64,
}

impl EventId {
    /// Parses an id that a client sent back. `None` if the server cannot have made the id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (stream, position) = text.split_once('-')?;
        let number = |text: &str| {
            let is_written_so = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_written_so)?;
            (text == u64::to_string(&number)).then_some(number)
        };
        Some(Self {
            stream: number(stream)?,
            position: number(position)?,
        })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream, self.position)
    }
}

/// An event. An event with an empty message only gives the client an id with which it can resume the stream.
#[derive(Clone)]
struct Event {
    message: Bytes,
    /// The uptime at which the event was added.
    at: Duration,
    /// The place of the event among all events of the session.
    order: u64,
}

/// The events of a session.
pub(super) struct EventLog {
    streams: BTreeMap<u64, StreamLog>,
    next_stream: u64,
    next_order: u64,
    next_reader: u64,
    events: usize,
    bytes: usize,
    kept: Kept,
    most: Most,
}

/// The bytes of the events that are kept.
#[derive(Clone, Default)]
pub(super) struct Kept {
    /// The size of the events in all sessions of the user or machine, in bytes.
    pub(super) of_user: Arc<AtomicUsize>,
    /// The bytes of all sessions.
    pub(super) total: Arc<AtomicUsize>,
}

impl Kept {
    fn add(&self, bytes: usize) {
        self.of_user.fetch_add(bytes, Ordering::Relaxed);
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove(&self, bytes: usize) {
        self.of_user.fetch_sub(bytes, Ordering::Relaxed);
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn fits(&self, most: &Most) -> bool {
        self.of_user.load(Ordering::Relaxed) <= most.of_user
            && self.total.load(Ordering::Relaxed) <= most.total
    }
}

/// The limits of the kept events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// The largest number of events of a session.
    pub(super) events: usize,
    /// The largest size of the events of a session, in bytes.
    pub(super) bytes: usize,
    /// The largest size of the events in all sessions of a user or machine, in bytes.
    pub(super) of_user: usize,
    /// The largest size of the events in all sessions, in bytes.
    pub(super) total: usize,
    /// The time during which an event can be sent again.
    pub(super) age: Duration,
    /// The largest number of events of a stream that wait for a connection.
    pub(super) waiting: usize,
    /// If more bytes than this wait for a connection, the writer waits too.
    pub(super) waiting_bytes: usize,
}

#[derive(Default)]
struct StreamLog {
    events: VecDeque<Event>,
    /// The position of the next event that is added.
    next: u64,
    /// The position of the next event that a connection takes.
    taken: u64,
    /// The connection that reads the stream.
    reader: Option<Reader>,
    /// The writer of the stream, which waits until it can add an event.
    writer: Option<Waker>,
    /// True if no further event is added.
    is_ended: bool,
    /// True if the connection ends when it has taken all events.
    closes: bool,
}

struct Reader {
    serial: u64,
    waker: Option<Waker>,
}

/// The next event for a connection.
pub(super) enum Taken {
    Event(EventId, Bytes),
    /// There is no event now. The waker is called when an event is added.
    Pending,
    /// The connection gets no further event: the stream has ended, or another connection reads it.
    Over,
}

/// Why an event can be removed to make room. Events with the first variant are removed first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Removable {
    Taken,
    WithoutReader,
    Standalone,
}

impl EventLog {
    /// Makes a log with the stream that a GET opens. `kept` counts the bytes of several logs.
    pub(super) fn new(most: Most, kept: Kept) -> Self {
        Self {
            streams: BTreeMap::from([(STANDALONE, StreamLog::default())]),
            next_stream: STANDALONE + 1,
            next_order: 0,
            next_reader: 0,
            events: 0,
            bytes: 0,
            kept,
            most,
        }
    }

    /// Begins a stream that a connection reads. Returns the number of the stream and of its reader.
    pub(super) fn begin(&mut self) -> (u64, u64) {
        let number = self.next_stream;
        self.next_stream += 1;
        self.streams.insert(number, StreamLog::default());
        (number, self.attach(number).unwrap_or_default())
    }

    /// Lets a connection read a stream, in place of the connection that read the stream before. The connection gets the
    /// events that no connection has taken. Returns the number of the reader. `None` if there is no such stream.
    pub(super) fn attach(&mut self, number: u64) -> Option<u64> {
        let serial = self.next_reader;
        let stream = self.streams.get_mut(&number)?;
        self.next_reader += 1;
        stream.closes = false;
        let reader = Reader {
            serial,
            waker: None,
        };
        if let Some(before) = stream.reader.replace(reader) {
            before.wake();
        }
        Some(serial)
    }

    /// Lets a connection read a stream, beginning after the event `last`. Returns the number of the reader. `None` if
    /// no stream that can be resumed has this event.
    pub(super) fn resume(&mut self, last: EventId, now: Duration) -> Option<u64> {
        self.expire(now);
        let stream = self.streams.get_mut(&last.stream)?;
        if last.position >= stream.next {
            return None;
        }
        stream.taken = last.position + 1;
        self.attach(last.stream)
    }

    /// Takes the next event for a connection.
    pub(super) fn take(&mut self, number: u64, serial: u64, waker: &Waker) -> Taken {
        let Some(stream) = self.streams.get_mut(&number) else {
            return Taken::Over;
        };
        let first = stream.first();
        let Some(reader) = stream.reader.as_mut().filter(|one| one.serial == serial) else {
            return Taken::Over;
        };
        // Earlier events were removed.
        stream.taken = stream.taken.max(first);
        let index = usize::try_from(stream.taken - first).unwrap_or(usize::MAX);
        if let Some(event) = stream.events.get(index) {
            let id = EventId {
                stream: number,
                position: stream.taken,
            };
            let message = event.message.clone();
            stream.taken += 1;
            stream.wake_writer();
            self.make_room();
            return Taken::Event(id, message);
        }
        if stream.is_ended || stream.closes {
            return Taken::Over;
        }
        reader.waker = Some(waker.clone());
        Taken::Pending
    }

    /// Reports that a connection has stopped reading a stream.
    pub(super) fn detach(&mut self, number: u64, serial: u64) {
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        if stream
            .reader
            .as_ref()
            .is_some_and(|one| one.serial == serial)
        {
            stream.reader = None;
            stream.wake_writer();
        }
        self.make_room();
        self.remove_if_over(number);
    }

    /// Adds an event to a stream. Removes older events if there are too many.
    pub(super) fn append(&mut self, number: u64, message: Bytes, now: Duration) {
        let order = self.next_order;
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        self.next_order += 1;
        self.events += 1;
        self.bytes += message.len();
        self.kept.add(message.len());
        stream.next += 1;
        stream.events.push_back(Event {
            message,
            at: now,
            order,
        });
        stream.wake_reader();
        self.expire(now);
        self.make_room();
    }

    /// Returns true if the writer of a stream must wait, because a connection reads the stream slowly. The waker is
    /// called when the writer need not wait any longer.
    pub(super) fn is_full(&mut self, number: u64, waker: &Waker) -> bool {
        let most = self.most;
        let Some(stream) = self.streams.get_mut(&number) else {
            return false;
        };
        let waiting = stream.waiting();
        let (count, bytes) = waiting.fold((0, 0), |(count, bytes), event| {
            (count + 1, bytes + event.message.len())
        });
        let is_full =
            stream.reader.is_some() && (count >= most.waiting || bytes >= most.waiting_bytes);
        stream.writer = is_full.then(|| waker.clone());
        is_full
    }

    /// Reports that a stream is complete. The connection of the stream ends when it has taken all events.
    pub(super) fn end(&mut self, number: u64) {
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.is_ended = true;
            stream.wake_reader();
        }
        self.remove_if_over(number);
    }

    /// Ends the connection of a stream when the connection has taken all events. The stream itself continues, so
    /// another connection can resume it.
    pub(super) fn close(&mut self, number: u64) {
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.closes = true;
            stream.wake_reader();
        }
    }

    /// Removes all events, because the session has ended.
    pub(super) fn clear(&mut self) {
        for stream in self.streams.values_mut() {
            stream.events.clear();
        }
        self.kept.remove(self.bytes);
        (self.events, self.bytes) = (0, 0);
    }

    /// Wakes all connections and writers, because the session or the server ends.
    pub(super) fn wake_all(&mut self) {
        for stream in self.streams.values_mut() {
            stream.wake_reader();
            stream.wake_writer();
        }
    }

    /// Returns the number of connections that read a stream.
    pub(super) fn readers(&self) -> usize {
        let streams = self.streams.values();
        streams.filter(|stream| stream.reader.is_some()).count()
    }

    /// Removes the events that are too old to be sent again.
    pub(super) fn expire(&mut self, now: Duration) {
        let numbers: Vec<_> = self.streams.keys().copied().collect();
        for number in numbers {
            while self.removable(number).is_some_and(|(removable, _, at)| {
                let is_old = now.checked_sub(at).is_some_and(|age| age >= self.most.age);
                is_old && removable != Removable::Standalone
            }) {
                self.remove_first(number);
            }
            self.remove_if_over(number);
        }
    }

    /// Removes events until the limits are met. Events that a connection has not taken yet are removed only because of
    /// events of the same session.
    fn make_room(&mut self) {
        loop {
            let fits = self.events <= self.most.events && self.bytes <= self.most.bytes;
            if fits && (self.bytes == 0 || self.kept.fits(&self.most)) {
                return;
            }
            let candidates = self.streams.keys().filter_map(|number| {
                let (removable, order, _) = self.removable(*number)?;
                let may = !fits || removable != Removable::Standalone;
                may.then_some((removable, order, *number))
            });
            // All other events wait for a connection that reads them. There are few such events, because their writers
            // wait too.
            let Some((.., number)) = candidates.min() else {
                return;
            };
            self.remove_first(number);
            self.remove_if_over(number);
        }
    }

    /// Returns why the first event of a stream can be removed, with the place and the time of the event.
    fn removable(&self, number: u64) -> Option<(Removable, u64, Duration)> {
        let stream = self.streams.get(&number)?;
        let event = stream.events.front()?;
        let removable = if stream.first() < stream.taken {
            Removable::Taken
        } else if stream.reader.is_none() {
            Removable::WithoutReader
        } else if number == STANDALONE {
            Removable::Standalone
        } else {
            return None;
        };
        Some((removable, event.order, event.at))
    }

    fn remove_first(&mut self, number: u64) {
        let stream = self.streams.get_mut(&number);
        let Some(event) = stream.and_then(|stream| stream.events.pop_front()) else {
            return;
        };
        self.events -= 1;
        self.bytes -= event.message.len();
        self.kept.remove(event.message.len());
    }

    /// Removes a stream that has ended, has no events, and is read by no connection.
    fn remove_if_over(&mut self, number: u64) {
        let is_over = |stream: &StreamLog| {
            stream.is_ended && stream.events.is_empty() && stream.reader.is_none()
        };
        if self.streams.get(&number).is_some_and(is_over) {
            self.streams.remove(&number);
        }
    }
}

impl StreamLog {
    /// Returns the position of the oldest event that is kept.
    fn first(&self) -> u64 {
        self.next - self.events.len() as u64
    }

    /// Returns the events that no connection has taken.
    fn waiting(&self) -> impl Iterator<Item = &Event> {
        let taken = self.taken.saturating_sub(self.first());
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        self.events.iter().skip(taken)
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = &mut self.reader
            && let Some(waker) = reader.waker.take()
        {
            waker.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Reader {
    fn wake(self) {
        if let Some(waker) = self.waker {
            waker.wake();
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.kept.remove(self.bytes);
    }
}

/// Does not print the messages.
impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog")
            .field("streams", &self.streams.len())
            .field("events", &self.events)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
