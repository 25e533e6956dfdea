//! The messages of a response that is a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};

use super::super::sessions::{EventId, SessionStream};

/// The JSON-RPC messages of a response. The last message is the response itself. Dropping the stream cancels a modern
/// call.
pub(crate) struct MessageStream(Pin<Box<dyn Stream<Item = StreamEvent> + Send>>);

/// An event of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StreamEvent {
    /// The id with which a client can resume the stream. `None` without a session.
    pub(crate) id: Option<EventId>,
    /// The JSON-RPC message. Empty if the event only tells the client the id.
    pub(crate) message: Bytes,
}

impl MessageStream {
    pub(crate) fn of(messages: impl Stream<Item = Vec<u8>> + Send + 'static) -> Self {
        Self(Box::pin(messages.map(|message| StreamEvent {
            id: None,
            message: message.into(),
        })))
    }

    /// The events of a connection that reads a stream of a session. The stream continues if this value is dropped.
    pub(super) fn of_session(events: SessionStream) -> Self {
        Self(Box::pin(events.map(|(id, message)| StreamEvent {
            id: Some(id),
            message,
        })))
    }

    pub(super) fn of_events(events: impl Stream<Item = StreamEvent> + Send + 'static) -> Self {
        Self(Box::pin(events))
    }
}

impl Stream for MessageStream {
    type Item = StreamEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream").finish_non_exhaustive()
    }
}
