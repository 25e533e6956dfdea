//! Reads a body within a length limit, a deadline, a minimum speed, and a budget of bytes for all
//! bodies.
//!
//! actix polls a handler before and after it passes the body to the handler, usually within one turn of the runtime. A
//! body that arrived together with the head is available at the second poll, so it needs no timer.

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

use crate::limits::{Exhausted, Party, Pool, Taken, UNCOUNTED};

use super::body_with::BodyWith;

/// The reason why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The connection broke before the body was complete.
    Broken,
    /// A limit on the total size of bodies is reached. [`Exhausted`] says which limit.
    Exhausted(Exhausted),
    /// The body did not arrive in time, or arrived too slowly.
    Late,
    /// The body is longer than the limit.
    TooLong,
}

/// A body, and how much of it has been read.
pub(super) struct Incoming {
    payload: Payload,
    is_begun: bool,
    is_over: bool,
    /// The length of the body in bytes, if actix does not know the length.
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

    /// Ends the body after `length` bytes. If a request asks for WebSocket, actix treats all bytes after the head as
    /// the body. Bytes after the declared length are never read as a request, because the connection closes.
    pub(super) fn ends_after(&mut self, length: usize) {
        self.end = Some(length);
    }

    /// Reads the whole body. `limit` is the largest permitted length in bytes, and `declared` is
    /// the length that the head declares.
    ///
    /// The bytes of the body count in the budget until they are dropped. A declared length counts before the first byte
    /// is read. A body of unknown length counts while it arrives. A short body does not count, because the limit on
    /// connections also limits the number of short bodies.
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

    /// If no code has read the body, skips the bytes that have arrived. Otherwise actix would close the
    /// connection, because it has unread bytes.
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

    /// Discards the bytes that have arrived. Returns true at the end of the body.
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

    /// Makes the connection close after this response, if the body has not arrived completely. actix closes the
    /// connection if the body still exists but is unread. If the body were dropped, actix would read the body to its
    /// end, which may never arrive.
    pub(super) fn end_with(self, answer: HttpResponse) -> HttpResponse {
        if self.is_over {
            return answer;
        }
        let unread = self.payload;
        let answer = answer.map_body(|_, body| BodyWith::new(body, unread));
        answer.map_into_boxed_body()
    }
}

/// The budget from which the bytes of a body are taken, and the caller or network that takes them.
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
            // The buffer of a body of unknown length grows by doubling, so the number of counted bytes is doubled too.
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
            // Allocate only bytes that have been counted. Only a short body is not counted.
            let counted = self.counted.as_ref().map(Taken::amount);
            let short = self.declared.unwrap_or(after).min(UNCOUNTED);
            self.all.reserve(counted.unwrap_or(short).max(after));
            self.all.extend_from_slice(&mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&chunk);
        Ok(())
    }

    /// Raises the number of bytes that are counted for this body to `bytes`. Fails if a limit has no room for them.
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
            Some(counted) => counted.until_dropped(bytes),
            None => bytes,
        }
    }
}

/// The minimum speed of a body: [`LEAST_IN_WINDOW`] bytes must arrive in each window, and the whole
/// body before the deadline.
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

    /// Ends the current window and begins the next window. Returns true if enough bytes arrived in the window that
    /// ended, and the deadline has not passed. `come` is the number of bytes of the body that have arrived so far.
    fn holds(&mut self, now: Instant, come: usize) -> bool {
        let fast = come.saturating_sub(self.before) >= LEAST_IN_WINDOW;
        self.before = come;
        self.window_end = now + self.window;
        fast && now < self.end
    }
}

/// Completes at the second poll.
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

/// The number of windows in a deadline. A deadline of 30 s has six windows of 5 s.
const WINDOWS: u32 = 6;
/// A deadline that is never reached, but that can be added to any time without an overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The least number of bytes that must arrive in each window.
const LEAST_IN_WINDOW: usize = 16 * 1024;

#[cfg(test)]
mod tests;
