//! The response to a call whose function sends messages: the messages, then the result.

use std::sync::Arc;

use bytestring::ByteString;
use futures_util::stream;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::identity::{Caller, NamedBy, Org};
use crate::primitive::{ClientMessage, Kind, Output, Served};

use super::super::challenge::Challenger;
use super::super::driver::{Driver, Step};
use super::super::era::Era;
use super::super::error::RpcError;
use super::super::notification::written;
use super::super::record::Ended;
use super::super::sessions::StreamWriter;
use super::super::{RefusedMessage, Response};
use super::converse::{Original, body};
use super::message_stream::MessageStream;
use super::target::{CallEnd, Target};
use super::{Endpoint, ReplyTo, Request, Stopped};

/// A call that sent its first message, with everything that its remaining response needs. The value outlives
/// the request.
pub(super) struct Remaining {
    endpoint: Arc<Endpoint>,
    id: String,
    era: Era,
    challenger: Challenger,
    /// The progress token, as the client wrote it.
    token: Option<String>,
    served: Arc<Served>,
    /// The name of the prompt or the URI of the resource that the request asked for. Empty for a tool.
    asked_for: String,
    caller: Option<Caller>,
    org: Option<Org>,
    named_by: NamedBy,
    bound_org: Option<Org>,
    arguments: ByteString,
    is_retry: bool,
    asks: bool,
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
            endpoint: Arc::clone(endpoint),
            id: request.id.to_owned(),
            era: request.era,
            challenger: request.challenger.clone(),
            token: request.asked()?.token.map(str::to_owned),
            served: Arc::clone(end.served),
            asked_for: match end.target {
                Target::Prompt { name } => name.to_owned(),
                Target::Resource { uri } => uri.to_owned(),
                Target::Completion | Target::Tool => String::new(),
            },
            caller: end.caller.cloned(),
            org: end.org.cloned(),
            named_by: end.named_by,
            bound_org: end.bound_org.cloned(),
            arguments: end.arguments.clone(),
            is_retry: end.is_retry,
            asks: end.asks,
            driver,
        })
    }

    /// Returns the stream of a session with the messages, beginning with `first`. A task writes the stream. It continues
    /// if the connection ends, and keeps the messages for a client that resumes the stream.
    pub(super) fn stream_of_session(
        self,
        first: ClientMessage,
        original: Original,
    ) -> MessageStream {
        let (writer, events) = original.session().session().open_stream();
        let endpoint = Arc::clone(&self.endpoint);
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
                Step::End(outcome) => (remaining.response(outcome), (None, None)),
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
        self.end(outcome)
    }

    /// Returns the message that ends the call.
    fn response(&self, outcome: Result<Output, Ended>) -> Vec<u8> {
        body(&self.id, self.end(outcome))
    }

    /// Returns the response of a call that ended.
    fn end(&self, outcome: Result<Output, Ended>) -> Result<Response, Stopped> {
        let reply_to = ReplyTo {
            id: &self.id,
            era: self.era,
            challenger: &self.challenger,
        };
        let end = CallEnd {
            served: &self.served,
            // A completion function sends no messages.
            target: match self.served.kind() {
                Kind::Prompt(_) => Target::Prompt {
                    name: &self.asked_for,
                },
                Kind::Resource(_) => Target::Resource {
                    uri: &self.asked_for,
                },
                Kind::Tool(_) => Target::Tool,
            },
            caller: self.caller.as_ref(),
            org: self.org.as_ref(),
            named_by: self.named_by,
            bound_org: self.bound_org.as_ref(),
            arguments: &self.arguments,
            is_retry: self.is_retry,
            asks: self.asks,
            has_head: false,
        };
        self.endpoint.conclude(reply_to, end, outcome)
    }
}

/// Returns the error for a refusal whose status can no longer be sent.
pub(super) fn without_status(refusal: &RefusedMessage) -> RpcError {
    match refusal {
        RefusedMessage::SignIn { scopes } => {
            let scopes = scopes.join(" ");
            RpcError::MissingScope(format!("Sign in with the scopes: {scopes}"))
        }
        RefusedMessage::MoreScope(wider) => RpcError::MissingScope(wider.denied.to_string()),
        RefusedMessage::Busy
        | RefusedMessage::NoEvents
        | RefusedMessage::NoSession
        | RefusedMessage::NoThread
        | RefusedMessage::Subscriptions
        | RefusedMessage::Unavailable(_) => {
            RpcError::Failed("The server is busy. Try again in a moment.".to_owned())
        }
    }
}
