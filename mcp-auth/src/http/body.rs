//! Reading a body, against a limit and a deadline.
//!
//! actix polls a handler before it has handed over any of the body, and again when it has, mostly
//! within the same turn: what came with the head is there then, and needs no timer.

use std::error::Error;
use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, poll};

use crate::tool::within;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum Unread {
    /// It broke off.
    Broken,
    /// It took too long to arrive.
    Late,
    /// It is longer than it may be.
    TooLong,
}

/// A body, and how far it is.
pub(super) struct Incoming {
    payload: Payload,
    is_begun: bool,
    is_over: bool,
    /// Where it ends, in bytes, if actix does not say so.
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

    /// Has it end after so many bytes. actix takes all that follows the head of a request to go over to WebSocket
    /// for the body; what follows the declared length is never read as a request, as the connection closes.
    pub(super) fn ends_after(&mut self, length: usize) {
        self.end = Some(length);
    }

    /// All of it, of at most `limit` bytes; `declared` is how many the head says there are.
    pub(super) async fn read(
        &mut self,
        declared: Option<usize>,
        limit: usize,
        deadline: Duration,
    ) -> Result<Bytes, Unread> {
        self.is_begun = true;
        let mut chunks = pin!(collect(&mut self.payload, declared, limit, self.end));
        let read = match poll!(chunks.as_mut()) {
            Poll::Ready(read) => read,
            Poll::Pending => {
                polled_again().await;
                let read = within(deadline, chunks).await;
                read.unwrap_or(Err(Unread::Late))
            }
        };
        self.is_over = read.is_ok() && self.end.is_none();
        read
    }

    /// Passes over what has come of it, if nobody began to read it: actix closes a connection on which
    /// something is left.
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

    /// Takes what has come; returns whether that was the end.
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

    /// Has the connection closed after this answer if there is more to come. actix does so where it sees
    /// that a body is left, and would read one that was dropped to its end, if it ever has one.
    pub(super) fn end_with(self, answer: HttpResponse) -> HttpResponse {
        if self.is_over {
            return answer;
        }
        let unread = self.payload;
        let answer = answer.map_body(|_, body| Left {
            body,
            _unread: unread,
        });
        answer.map_into_boxed_body()
    }
}

/// The body of an answer, with what was left of the request's.
struct Left {
    body: BoxBody,
    _unread: Payload,
}

impl MessageBody for Left {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// The chunks of a body as one; where there is but one it is not copied.
async fn collect(
    body: &mut Payload,
    declared: Option<usize>,
    limit: usize,
    end: Option<usize>,
) -> Result<Bytes, Unread> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    loop {
        let read = first.len() + all.len();
        if end == Some(read) {
            break;
        }
        let Some(chunk) = poll_fn(|cx| Pin::new(&mut *body).poll_next(cx)).await else {
            break;
        };
        let mut chunk = chunk.map_err(|_| Unread::Broken)?;
        if let Some(end) = end {
            chunk.truncate(end - read);
        }
        if chunk.len() > limit.saturating_sub(read) {
            return Err(Unread::TooLong);
        }
        if read == 0 {
            first = chunk;
            continue;
        }
        if all.is_empty() {
            all.reserve(declared.unwrap_or_default().min(MOST_RESERVED));
            all.extend_from_slice(&mem::take(&mut first));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Ends when it is polled a second time, which it asks for.
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

/// In bytes, on the word of who sends them.
const MOST_RESERVED: usize = 256 * 1024;
