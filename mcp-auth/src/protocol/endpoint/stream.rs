//! The response to a call whose function sends messages: the messages, then the result.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream};

use crate::identity::{Caller, NamedBy, Org};
use crate::primitive::{ClientMessage, Kind, Output, Served};

use super::super::challenge::Challenger;
use super::super::driver::{Driver, Step};
use super::super::era::Era;
use super::super::error::RpcError;
use super::super::notification::written;
use super::super::record::Ended;
use super::super::{RefusedMessage, Response};
use super::call::{CallEnd, Target};
use super::{Endpoint, ReplyTo, Request, Stopped};

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
                Step::End(outcome) => (remaining.response(outcome), (None, None)),
            })
        });
        MessageStream::of(messages)
    }

    /// Returns the response of a call that ended.
    fn response(&self, outcome: Result<Output, Ended>) -> Vec<u8> {
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
            has_head: false,
        };
        let id = Some(self.id.as_str());
        let response = match self.endpoint.conclude(reply_to, end, outcome) {
            Ok(response) => response,
            Err(Stopped::Error(error)) => error.answer(id),
            Err(Stopped::Refused(refusal)) => without_status(&refusal).answer(id),
        };
        match response {
            Response::Message { body, .. } => body,
            // A call has a message as its response.
            Response::Accepted
            | Response::List { .. }
            | Response::Refused { .. }
            | Response::Stream(_) => Vec::new(),
        }
    }
}

/// Returns the error for a refusal whose status can no longer be sent.
fn without_status(refusal: &RefusedMessage) -> RpcError {
    match refusal {
        RefusedMessage::SignIn { scopes } => {
            let scopes = scopes.join(" ");
            RpcError::MissingScope(format!("Sign in with the scopes: {scopes}"))
        }
        RefusedMessage::MoreScope(wider) => RpcError::MissingScope(wider.denied.to_string()),
        RefusedMessage::Busy
        | RefusedMessage::NoEvents
        | RefusedMessage::NoThread
        | RefusedMessage::Subscriptions
        | RefusedMessage::Unavailable(_) => {
            RpcError::Failed("The server is busy. Try again in a moment.".to_owned())
        }
    }
}
