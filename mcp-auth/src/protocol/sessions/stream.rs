//! A stream of a session: the writer of a call, and the connection that reads the stream.
//!
//! Writer and connection lock the session for one step at a time. The writer waits while a connection reads slowly.
//! Without a connection the events are kept for a client that resumes the stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::event_log::{EventId, Taken};
use super::session::Session;

/// The session ended, so its streams take no messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SessionEnded;

/// Puts the messages of one call on its stream. Dropping the value ends the stream.
pub(crate) struct StreamWriter {
    session: Arc<Session>,
    number: u64,
}

impl StreamWriter {
    pub(super) fn new(session: Arc<Session>, number: u64) -> Self {
        Self { session, number }
    }

    /// Puts a JSON-RPC message on the stream. Waits while a connection reads the stream slowly.
    ///
    /// # Errors
    ///
    /// [`SessionEnded`] if the session ended.
    pub(crate) async fn send(&self, message: Vec<u8>) -> Result<(), SessionEnded> {
        let mut message = Some(Bytes::from(message));
        poll_fn(|cx| (self.session).poll_send(self.number, &mut message, cx)).await
    }

    /// Ends the connection that reads the stream. The stream continues, and the client resumes it with `Last-Event-ID`.
    /// Does nothing for a client of a revision in which a client cannot resume.
    pub(crate) fn close_connection(&self) {
        self.session.close_connection(self.number);
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.session.end_stream(self.number);
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter").finish_non_exhaustive()
    }
}

/// A connection that reads a stream of a session. The stream continues if the value is dropped.
pub(crate) struct SessionStream {
    session: Arc<Session>,
    number: u64,
    reader: u64,
    /// The time of day, in milliseconds since 1970, at which the caller's token expires.
    until: Option<u64>,
}

impl SessionStream {
    pub(super) fn new(session: Arc<Session>, number: u64, reader: u64) -> Self {
        Self {
            session,
            number,
            reader,
            until: None,
        }
    }

    /// Ends the connection at this time of day, in milliseconds since 1970.
    pub(super) fn until(mut self, until: Option<u64>) -> Self {
        self.until = until;
        self
    }
}

impl Stream for SessionStream {
    type Item = (EventId, Bytes);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match (self.session).take(self.number, self.reader, self.until, cx.waker()) {
            Taken::Event(id, message) => Poll::Ready(Some((id, message))),
            Taken::Pending => Poll::Pending,
            Taken::Over => Poll::Ready(None),
        }
    }
}

impl Drop for SessionStream {
    fn drop(&mut self) {
        self.session.detach(self.number, self.reader);
    }
}

impl fmt::Debug for SessionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStream").finish_non_exhaustive()
    }
}
