//! The response to a call whose function sends messages: a stream of the messages and of the result.

use std::sync::Arc;

use futures_util::stream;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::primitive::ClientMessage;

use super::super::Response;
use super::super::driver::{Driver, Step};
use super::super::error::RpcError;
use super::super::notification::written;
use super::super::sessions::StreamWriter;
use super::converse::Original;
use super::message_stream::MessageStream;
use super::outliving::OutlivingCall;
use super::target::CallEnd;
use super::{Endpoint, Request, Stopped};

/// A call that sent its first message, with all data that the rest of its response needs. The value outlives the
/// request.
pub(super) struct Remaining {
    call: OutlivingCall,
    /// The progress token, as written in the body.
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

    /// Returns the stream of a session with the messages, beginning with `first`. A background task writes the stream.
    /// The task continues if the connection ends, and keeps the messages for a client that resumes the stream.
    pub(super) fn stream_of_session(
        self,
        first: ClientMessage,
        original: Original,
    ) -> MessageStream {
        let (writer, events) = original.session().session().open_stream();
        let endpoint = Arc::clone(&self.call.endpoint);
        let writing = async move {
            let end = self.write(first, &writer).await;
            endpoint.deliver(original, writer, end).await;
        };
        tokio::spawn(writing.in_current_span().with_current_subscriber());
        MessageStream::of_session(events)
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

    /// Puts all messages on the stream of a session, beginning with `first`. Returns the end of the call.
    pub(super) async fn write(
        mut self,
        first: ClientMessage,
        writer: &StreamWriter,
    ) -> Result<Response, Stopped> {
        let mut message = first;
        let outcome = loop {
            let sent = match &message {
                ClientMessage::Close => {
                    writer.close_connection();
                    Ok(())
                }
                ClientMessage::Log(_) | ClientMessage::Progress(_) => {
                    writer.send(written(&message, self.token.as_deref())).await
                }
            };
            // After the end of the session, the call continues without a client.
            if sent.is_err() {
                return Ok(Response::Accepted);
            }
            match self.driver.step().await {
                Step::Message(next, ()) => message = next,
                Step::End(outcome) => break outcome,
            }
        };
        self.call.end(outcome)
    }
}
