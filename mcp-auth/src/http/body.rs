//! Reads a body within a limit, a deadline, a least rate, and a budget of bytes for all bodies.
//!
//! actix polls a handler before it hands over the body, and again afterwards, mostly within one
//! turn of the runtime. A body that came with the head is there at the second poll, and needs no
//! timer.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, poll};
use tokio::time::{Instant, timeout_at};

use crate::limits::{Exhausted, Party, Pool, Taken};

use super::body_with::BodyWith;

/// The reason for which a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The connection broke off.
    Broken,
    /// One share of the bytes for bodies is used up; [`Exhausted`] says which share.
    Exhausted(Exhausted),
    /// The body did not arrive in time, or arrived too slowly.
    Late,
    /// The body is over the limit.
    TooLong,
}

/// A body, and the state of reading it.
pub(super) struct Incoming {
    payload: Payload,
    is_begun: bool,
    is_over: bool,
    /// The end of the body in bytes, if actix does not know it.
    end: Option<usize>,
}

impl Incoming {
    pub(super) fn new(payload: Payload) -> Self {
        Self {
            payload,
            is_begun: false,
            is_over: false,
            end: None,
        }
    }

    /// Ends the body after so many bytes. If a request asks for WebSocket, actix takes everything
    /// after its head for the body. Bytes after the declared length are never read as a request,
    /// since the connection closes.
    pub(super) fn ends_after(&mut self, length: usize) {
        self.end = Some(length);
    }

    /// Reads the whole body. `limit` is its greatest length in bytes, `declared` the length that
    /// the head states.
    ///
    /// The bytes count in the budget until they are dropped. A declared length counts before the
    /// first byte is read; a body of unknown length counts as it arrives. A short body does not
    /// count: the number of connections bounds the number of short bodies.
    pub(super) async fn read(
        &mut self,
        declared: Option<usize>,
        limit: usize,
        deadline: Duration,
        budget: Budget<'_>,
    ) -> Result<Bytes, Unread> {
        let mut gathered = Gathered::new(budget, limit, declared);
        if let Some(long) = declared.filter(|length| *length > UNCOUNTED) {
            gathered.count(long)?;
        }
        self.is_begun = true;
        let mut pace = None;
        let mut is_second_turn = false;
        while self.end != Some(gathered.len()) {
            let mut next = poll_fn(|cx| Pin::new(&mut self.payload).poll_next(cx));
            let chunk = match poll!(&mut next) {
                Poll::Ready(chunk) => chunk,
                Poll::Pending if !mem::replace(&mut is_second_turn, true) => {
                    polled_again().await;
                    continue;
                }
                Poll::Pending => {
                    let pace = pace.get_or_insert_with(|| Pace::new(Instant::now(), deadline));
                    match timeout_at(pace.next_check(), next).await {
                        Ok(chunk) => chunk,
                        Err(_) if pace.holds(Instant::now(), gathered.len()) => continue,
                        Err(_) => return Err(Unread::Late),
                    }
                }
            };
            let Some(chunk) = chunk else { break };
            let mut chunk = chunk.map_err(|_| Unread::Broken)?;
            if let Some(end) = self.end {
                chunk.truncate(end - gathered.len());
            }
            gathered.add(chunk)?;
        }
        self.is_over = self.end.is_none();
        Ok(gathered.into_bytes())
    }

    /// Skips the bytes that have arrived, if nothing read them: actix closes a connection with
    /// bytes left.
    pub(super) async fn pass_over(&mut self) {
        if self.is_begun {
            return;
        }
        self.is_over = self.has_come();
        if !self.is_over {
            polled_again().await;
            self.is_over = self.has_come();
        }
    }

    /// Takes the bytes that have arrived. Returns true at the end of the body.
    fn has_come(&mut self) -> bool {
        let mut idle = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut self.payload).poll_next(&mut idle) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None) => return true,
                Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
            }
        }
    }

    /// Closes the connection after this response if more of the body is to come. actix closes a
    /// connection if it sees that a body is left. A body that was dropped it would read to the end,
    /// which may never come.
    pub(super) fn end_with(self, answer: HttpResponse) -> HttpResponse {
        if self.is_over {
            return answer;
        }
        let unread = self.payload;
        let answer = answer.map_body(|_, body| BodyWith::new(body, unread));
        answer.map_into_boxed_body()
    }
}

/// The budget in which the bytes of a body count, and the party that they count for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) party: Party,
}

/// Joins the chunks of a body. A single chunk is not copied.
struct Gathered<'a> {
    budget: Budget<'a>,
    limit: usize,
    declared: Option<usize>,
    first: Bytes,
    all: BytesMut,
    counted: Option<Taken>,
}

impl<'a> Gathered<'a> {
    fn new(budget: Budget<'a>, limit: usize, declared: Option<usize>) -> Self {
        Self {
            budget,
            limit,
            declared,
            first: Bytes::new(),
            all: BytesMut::new(),
            counted: None,
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn add(&mut self, chunk: Bytes) -> Result<(), Unread> {
        let before = self.len();
        if chunk.len() > self.limit.saturating_sub(before) {
            return Err(Unread::TooLong);
        }
        let after = before + chunk.len();
        if after > UNCOUNTED || self.counted.is_some() {
            // The buffer of a body of unknown length grows by doubling, so the counted bytes double
            // too.
            let counted = self.counted.as_ref().map_or(0, Taken::amount);
            if after > counted {
                self.count(after.max((2 * counted).min(self.limit)))?;
            }
        }
        if before == 0 {
            self.first = chunk;
            return Ok(());
        }
        if self.all.is_empty() {
            // Only counted bytes are allocated ahead. A body that does not count is short.
            let counted = self.counted.as_ref().map(Taken::amount);
            let short = self.declared.unwrap_or(after).min(UNCOUNTED);
            self.all.reserve(counted.unwrap_or(short).max(after));
            self.all.extend_from_slice(&mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&chunk);
        Ok(())
    }

    /// Sets the number of counted bytes.
    fn count(&mut self, bytes: usize) -> Result<(), Unread> {
        let counted = match &mut self.counted {
            Some(taken) => taken.grow(bytes.saturating_sub(taken.amount())),
            None => {
                let taken = self.budget.pool.take(self.budget.party, bytes);
                taken.map(|taken| self.counted = Some(taken))
            }
        };
        counted.map_err(Unread::Exhausted)
    }

    /// Returns the body. Its bytes count until the last slice is dropped.
    fn into_bytes(self) -> Bytes {
        let bytes = if self.all.is_empty() {
            self.first
        } else {
            self.all.freeze()
        };
        match self.counted {
            Some(counted) => Bytes::from_owner(CountedBytes {
                bytes,
                _counted: counted,
            }),
            None => bytes,
        }
    }
}

/// Bytes that count until they are dropped.
struct CountedBytes {
    bytes: Bytes,
    _counted: Taken,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The least speed of a body: [`LEAST_IN_WINDOW`] bytes in each window, and the whole body before
/// the deadline.
#[derive(Debug)]
struct Pace {
    end: Instant,
    window: Duration,
    window_end: Instant,
    /// The bytes that had arrived when the window began.
    before: usize,
}

impl Pace {
    fn new(now: Instant, deadline: Duration) -> Self {
        let deadline = deadline.min(LONGEST);
        let window = deadline / WINDOWS;
        Self {
            end: now + deadline,
            window,
            window_end: now + window,
            before: 0,
        }
    }

    /// Returns the time of the next check.
    fn next_check(&self) -> Instant {
        self.window_end.min(self.end)
    }

    /// Returns true if a body is fast enough after so many bytes, and begins the next window.
    fn holds(&mut self, now: Instant, come: usize) -> bool {
        let fast = come.saturating_sub(self.before) >= LEAST_IN_WINDOW;
        self.before = come;
        self.window_end = now + self.window;
        fast && now < self.end
    }
}

/// Returns at the second poll.
async fn polled_again() {
    let mut before = false;
    poll_fn(|cx| {
        if mem::replace(&mut before, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// In bytes. A body of at most this length does not count in the budget.
const UNCOUNTED: usize = 16 * 1024;
/// The number of windows in a deadline: six of 5 s each in a deadline of 30 s.
const WINDOWS: u32 = 6;
/// A time so far ahead that it never comes, and that can be added to any time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// In bytes.
const LEAST_IN_WINDOW: usize = 16 * 1024;

#[cfg(test)]
mod tests;
