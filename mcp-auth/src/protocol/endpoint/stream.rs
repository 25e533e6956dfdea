//! The response to a call whose function sends messages: the messages, then the result.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream};

use crate::primitive::ClientMessage;

use super::super::driver::{Driver, Step};
use super::super::error::RpcError;
use super::super::notification::written;
use super::call::CallEnd;
use super::outliving::OutlivingCall;
use super::{Endpoint, Request};

/// The JSON-RPC messages of a response. The last message is the response itself. Dropping the stream cancels a modern
/// call.
pub(crate) struct MessageStream(Pin<Box<dyn Stream<Item = Vec<u8>> + Send>>);

impl MessageStream {
    pub(crate) fn of(messages: impl Stream<Item = Vec<u8>> + Send + 'static) -> Self {
        Self(Box::pin(messages))
    }
}

impl Stream for MessageStream {
    type Item = Vec<u8>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream").finish_non_exhaustive()
    }
}

/// A call that sent its first message, with everything that its remaining response needs. The value outlives
/// the request.
pub(super) struct Remaining {
    call: OutlivingCall,
    /// The progress token, as the client wrote it.
    token: Option<String>,
    driver: Driver,
}

impl Remaining {
    pub(super) fn new(
        endpoint: &Arc<Endpoint>,
        request: &Request<'_>,
        end: &CallEnd<'_>,
        driver: Driver,
    ) -> Result<Self, RpcError> {
        Ok(Self {
            call: OutlivingCall::of(endpoint, request, end),
            token: request.asked()?.token.map(str::to_owned),
            driver,
        })
    }

    /// Returns the messages, beginning with `first`.
    pub(super) fn stream(self, first: &ClientMessage) -> MessageStream {
        let first = written(first, self.token.as_deref());
        let messages = stream::unfold((Some(first), Some(self)), |(first, remaining)| async {
            if let Some(first) = first {
                return Some((first, (None, remaining)));
            }
            let mut remaining = remaining?;
            Some(match remaining.driver.step().await {
                Step::Message(message, ()) => {
                    let message = written(&message, remaining.token.as_deref());
                    (message, (None, Some(remaining)))
                }
                Step::End(outcome) => (remaining.call.response(outcome), (None, None)),
            })
        });
        MessageStream::of(messages)
    }
}
