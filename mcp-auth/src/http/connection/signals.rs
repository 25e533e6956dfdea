//! The state of one connection, which its stream, its service and its deadlines share. All three
//! run on the same thread.

use std::cell::Cell;
use std::fmt;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::limits::ConnectionLimits;
use super::registry::Place;
use super::scan::{Chunks, Scanner};

/// The state of one connection.
pub(super) struct Signals {
    place: Place,
    reading: Cell<Reading>,
    /// True if a head went to actix, and no service has yet begun to handle its request.
    awaits_service: Cell<bool>,
    /// True if a service has begun to handle a request, and its response is not complete.
    is_open: Cell<bool>,
    /// True if the response is complete, down to the last byte of its body.
    is_answered: Cell<bool>,
    /// True if the connection counts as idle, because the last response is complete.
    is_at_rest: Cell<bool>,
    head_since: Cell<Option<Instant>>,
    idle_since: Cell<Instant>,
    blocked_since: Cell<Option<Instant>>,
    /// The time at which the service ended in this turn.
    ended_at: Cell<Option<Instant>>,
    /// True if a read was refused in this turn.
    was_refused: Cell<bool>,
    /// True if the stream has bytes that were read ahead.
    keeps: Cell<bool>,
    /// The bytes that the stream writes when it is dropped.
    last_words: Cell<Option<&'static [u8]>>,
    is_registered: Cell<bool>,
    closes_at: Option<Instant>,
    limits: Deadlines,
}

/// The part of a request to which the next bytes belong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// A request head.
    Head(Scanner),
    /// The rest of a body of a known length, in bytes.
    Body(u64),
    /// The rest of a body in chunks.
    Chunks(Chunks),
    /// The next request, while the previous request has no response yet.
    Next,
}

#[derive(Clone, Copy, Debug)]
struct Deadlines {
    head: Duration,
    idle: Duration,
    write: Duration,
}

/// The deadline that a connection missed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Late {
    /// A head did not arrive in time.
    Head,
    /// No request arrived.
    Idle,
    /// A head is over the limit.
    TooLong,
    /// The client did not read a response.
    Write,
}

impl Signals {
    pub(super) fn new(place: Place, limits: &ConnectionLimits, now: Instant) -> Self {
        Self {
            place,
            reading: Cell::new(Reading::Head(Scanner::default())),
            awaits_service: Cell::new(false),
            is_open: Cell::new(false),
            is_answered: Cell::new(false),
            is_at_rest: Cell::new(true),
            head_since: Cell::new(None),
            idle_since: Cell::new(now),
            blocked_since: Cell::new(None),
            ended_at: Cell::new(None),
            was_refused: Cell::new(false),
            keeps: Cell::new(false),
            last_words: Cell::new(None),
            is_registered: Cell::new(false),
            closes_at: now.checked_add(limits.age),
            limits: Deadlines {
                head: limits.head_deadline,
                idle: limits.idle_limit,
                write: limits.write_deadline,
            },
        }
    }
}

/// Methods for the TLS handshake.
#[cfg(feature = "tls")]
impl Signals {
    /// Reports that the handshake begins. The deadline of a head applies to the handshake.
    pub(super) fn handshake_begins(&self) {
        self.head_since.set(Some(self.idle_since.get()));
    }

    /// Reports that the handshake is over. The connection now waits for a request.
    pub(super) fn handshake_ended(&self) {
        self.head_since.set(None);
        self.rest();
    }
}

/// Methods for the requests of HTTP/2, which a connection can have at the same time.
#[cfg(feature = "tls")]
impl Signals {
    /// Reports that one request is in flight, and has been transferring data since this time.
    pub(super) fn transfers(&self, since: Instant) {
        self.is_open.set(true);
        self.place.transfer(since);
    }

    /// Reports that a request runs. Returns false if the connection was evicted. In this case no request must begin.
    pub(super) fn calls(&self) -> bool {
        self.is_open.set(true);
        // A connection whose client does not read can be closed for another connection.
        if self.is_stuck() {
            return !self.is_evicted();
        }
        self.place.call()
    }

    /// Reports that no request is in flight.
    pub(super) fn requests_ended(&self) {
        self.is_open.set(false);
        self.rest();
    }
}

/// Methods for the stream.
impl Signals {
    /// Returns the number of bytes that may go to actix now. The number can be 0.
    pub(super) fn room(&self) -> usize {
        if self.blocked_since.get().is_some() {
            return 0;
        }
        match self.reading.get() {
            Reading::Head(_) if self.is_open.get() || self.awaits_service.get() => 0,
            Reading::Head(scanner) if scanner.is_too_long() => 0,
            Reading::Chunks(_) if self.awaits_service.get() => 0,
            Reading::Head(_) | Reading::Chunks(_) => MOST_AHEAD,
            Reading::Body(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Reading::Next => 0,
        }
    }

    /// Returns how many of these bytes go to actix now. `bytes` is not longer than
    /// [`room`](Self::room) permits. The remaining bytes belong to the next request, or wait for
    /// the service.
    pub(super) fn take(&self, bytes: &[u8]) -> usize {
        match self.reading.get() {
            Reading::Head(mut scanner) => {
                let Some(end) = scanner.feed(bytes) else {
                    if scanner.is_started() && self.head_since.get().is_none() {
                        self.head_since.set(Some(Instant::now()));
                    }
                    self.reading.set(Reading::Head(scanner));
                    return bytes.len();
                };
                self.awaits_service.set(true);
                match scanner.body_length() {
                    Some(length) => {
                        self.reading.set(Reading::Body(length));
                        end + self.take_body(length, bytes.len() - end)
                    }
                    None => {
                        self.reading.set(Reading::Chunks(Chunks::default()));
                        end
                    }
                }
            }
            Reading::Body(left) => self.take_body(left, bytes.len()),
            Reading::Chunks(mut chunks) => {
                let end = chunks.feed(bytes);
                match end {
                    Some(_) => self.body_is_over(),
                    None => self.reading.set(Reading::Chunks(chunks)),
                }
                end.unwrap_or(bytes.len())
            }
            Reading::Next => 0,
        }
    }

    fn take_body(&self, left: u64, there: usize) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        let left = left - taken as u64;
        if left == 0 {
            self.body_is_over();
        } else {
            self.reading.set(Reading::Body(left));
        }
        taken
    }

    /// Returns true if the response to a request is not complete yet. Closing the connection would then end the
    /// exchange without a response.
    pub(super) fn is_busy(&self) -> bool {
        self.is_open.get() || self.awaits_service.get()
    }

    pub(super) fn refuse_read(&self, keeps: bool) {
        self.was_refused.set(true);
        self.keeps.set(keeps);
    }

    /// Reports that bytes are about to be written. If these bytes complete the response, the connection counts as idle
    /// from now on, because it must be idle as soon as the client has the response. The connection can be evicted only
    /// after the end of this turn of the runtime.
    pub(super) fn writes(&self) {
        if self.is_answered.get() && !self.is_at_rest.get() {
            self.rest();
        }
    }

    /// Reports that the client has read some bytes.
    pub(super) fn wrote(&self) {
        if self.blocked_since.take().is_none() {
            return;
        }
        if self.is_answered.get() {
            self.rest();
        } else if self.is_open.get() {
            let _ = self.place.call();
        }
    }

    fn rest(&self) {
        // A response without a stream is written in the turn in which its service ended.
        let now = self.ended_at.take().unwrap_or_else(Instant::now);
        self.is_at_rest.set(true);
        self.idle_since.set(now);
        self.place.idle(now);
    }

    /// Reports that the client does not read more bytes for now.
    pub(super) fn is_blocked(&self) {
        if self.blocked_since.get().is_none() {
            let now = Instant::now();
            self.blocked_since.set(Some(now));
            self.place.transfer(now);
        }
    }

    /// Returns true if the client still does not read bytes.
    pub(super) fn is_stuck(&self) -> bool {
        self.blocked_since.get().is_some()
    }

    /// Reports that all bytes for the client are written.
    pub(super) fn flushed(&self) {
        if !self.is_answered.get() {
            return;
        }
        self.writes();
        self.is_answered.set(false);
        self.is_open.set(false);
        if let Reading::Next = self.reading.get() {
            self.reading.set(Reading::Head(Scanner::default()));
        }
    }

    pub(super) fn last_words(&self) -> Option<&'static [u8]> {
        self.last_words.take()
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.place.is_evicted()
    }
}

/// Methods for the service.
impl Signals {
    /// Reports that a service begins to handle a request. Returns false if the connection was evicted. In this case the
    /// service must not begin.
    #[must_use]
    pub(super) fn begin(&self) -> bool {
        self.awaits_service.set(false);
        self.is_answered.set(false);
        self.is_at_rest.set(false);
        self.is_open.set(true);
        self.head_since.set(None);
        if let Reading::Next = self.reading.get() {
            return self.place.call();
        }
        self.place.transfer(Instant::now());
        !self.place.is_evicted()
    }

    /// Returns true if the service must report the length of the body. Call this method before
    /// [`begin`](Self::begin). A request with `Expect` has two services, and the second service
    /// must not report the length again.
    pub(super) fn asks_for_body(&self) -> bool {
        self.awaits_service.get() && !matches!(self.reading.get(), Reading::Body(_) | Reading::Next)
    }

    pub(super) fn body_is(&self, length: Option<u64>) {
        match length {
            Some(0) => self.body_is_over(),
            Some(length) => self.reading.set(Reading::Body(length)),
            None => self.reading.set(Reading::Chunks(Chunks::default())),
        }
    }

    /// Reports the end of the body. The next bytes belong to another request. If the response is
    /// already complete, the next request may be read at once.
    fn body_is_over(&self) {
        self.reading.set(if self.is_busy() {
            Reading::Next
        } else {
            Reading::Head(Scanner::default())
        });
        if self.is_open.get() {
            let _ = self.place.call();
        }
    }

    pub(super) fn is_answered(&self) {
        self.is_answered.set(true);
    }

    /// Reports that the service has the response. Returns true if the connection is so old that it closes with this
    /// response.
    pub(super) fn is_last(&self) -> bool {
        let now = Instant::now();
        self.ended_at.set(Some(now));
        self.closes_at.is_some_and(|at| now >= at)
    }
}

/// Methods for the deadlines.
impl Signals {
    pub(super) fn begin_turn(&self) {
        self.was_refused.set(false);
        self.ended_at.set(None);
    }

    /// Returns true if a read that was refused in this turn can continue now. No event reports this, so the caller must
    /// poll again.
    pub(super) fn has_more(&self) -> bool {
        self.was_refused.get() && self.keeps.get() && self.room() > 0
    }

    pub(super) fn register(&self, waker: &Waker) {
        if !self.is_registered.replace(true) {
            self.place.wake_when_evicted(waker);
        }
    }

    /// Returns the time at which the connection must close. `None` during a call, because the call has its own
    /// deadline.
    pub(super) fn deadline(&self) -> Option<(Instant, Late)> {
        // A service begins in the turn in which the head is complete, unless actix cannot read the head.
        if self.awaits_service.get() && self.head_since.get().is_none() {
            self.head_since.set(Some(Instant::now()));
        }
        let (since, limit, late) = if let Some(since) = self.blocked_since.get() {
            (since, self.limits.write, Late::Write)
        } else if self.is_open.get() {
            return None;
        } else if let Reading::Head(scanner) = self.reading.get()
            && scanner.is_too_long()
        {
            // This time is already past, so the connection closes at once.
            return Some((self.idle_since.get(), Late::TooLong));
        } else if let Some(since) = self.head_since.get() {
            (since, self.limits.head, Late::Head)
        } else {
            (self.idle_since.get(), self.limits.idle, Late::Idle)
        };
        Some((since.checked_add(limit)?, late))
    }

    pub(super) fn say_at_the_end(&self, words: &'static [u8]) {
        self.last_words.set(Some(words));
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("reading", &self.reading)
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}

/// The largest number of bytes of the next request that are read while the current request has no response.
pub(super) const MOST_AHEAD: usize = 4096;
