//! The messages of a response that is a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};

use crate::identity::{Caller, Org};

use super::super::sessions::{EventId, SessionStream};
use super::Endpoint;

/// The JSON-RPC messages of a response. The last message is the response itself. Dropping the stream cancels a modern
/// call.
pub(crate) struct MessageStream(Pin<Box<dyn Stream<Item = StreamEvent> + Send>>);

/// An event of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StreamEvent {
    /// The id with which a client can resume the stream. `None` without a session.
    pub(crate) id: Option<EventId>,
    /// The JSON-RPC message. Empty if the event has only an id.
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

impl Endpoint {
    /// Ends a stream when the caller's token or organization is revoked. The stream then sends no further message and no
    /// response. A client learns the reason from its next request.
    pub(super) fn until_revoked(
        &self,
        events: MessageStream,
        caller: Option<&Caller>,
        org: Option<&Org>,
    ) -> MessageStream {
        let Some(caller) = caller.cloned() else {
            return events;
        };
        let authenticator = Arc::clone(&self.config.streams.authenticator);
        let org = org.cloned();
        let revoked = async move { authenticator.revoked(&caller, org.as_ref()).await };
        MessageStream::of_events(UntilRevoked {
            events,
            revoked: Some(Box::pin(revoked)),
        })
    }
}

/// The events of a stream until a future completes.
struct UntilRevoked<F> {
    events: MessageStream,
    /// `None` after the future completed.
    revoked: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Stream for UntilRevoked<F> {
    type Item = StreamEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Poll the revocation before the events, so that no message is delivered after the revocation.
        let revoked = self.revoked.as_mut();
        if revoked.is_none_or(|revoked| revoked.as_mut().poll(cx).is_ready()) {
            self.revoked = None;
            return Poll::Ready(None);
        }
        Pin::new(&mut self.events).poll_next(cx)
    }
}

impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream").finish_non_exhaustive()
    }
}
