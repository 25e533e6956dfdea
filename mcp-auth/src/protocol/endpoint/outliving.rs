//! Calls that continue after their request: calls that send messages, and tasks.

use std::future::pending;
use std::sync::Arc;

use tracing::Span;

use crate::identity::{Caller, NamedBy, Org, UrlOrg};
use crate::primitive::{Kind, Output, Served};

use super::super::challenge::Challenger;
use super::super::era::Era;
use super::super::error::RpcError;
use super::super::record::Ended;
use super::super::request_state::Bound;
use super::super::{RefusedMessage, Response};
use super::asking_route::AskingRoute;
use super::target::{CallEnd, Target};
use super::{Endpoint, ReplyTo, Request, Stopped};

/// The data of a request that the response to its call needs after the request.
pub(super) struct OutlivingCall {
    pub(super) endpoint: Arc<Endpoint>,
    id: String,
    era: Era,
    challenger: Challenger,
    pub(super) served: Arc<Served>,
    /// The name of the prompt or the URI of the resource that the request asked for. Empty for a tool.
    asked_for: String,
    caller: Option<Caller>,
    org: Option<Org>,
    named_by: NamedBy,
    bound_org: Option<Org>,
    url_org: UrlOrg,
    /// The digest of the arguments. The arguments are a part of the body, whose bytes count in the budget of bodies.
    arguments: [u8; 32],
    is_retry: bool,
    route: AskingRoute,
    /// The span of the request.
    span: Span,
}

impl OutlivingCall {
    pub(super) fn of(endpoint: &Arc<Endpoint>, request: &Request<'_>, end: &CallEnd<'_>) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            id: request.id.to_owned(),
            era: request.era,
            challenger: request.challenger.clone(),
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
            url_org: end.url_org.clone(),
            arguments: end.arguments.digest(),
            is_retry: end.is_retry,
            route: end.route,
            span: Span::current(),
        }
    }

    /// Completes when the caller's token or organization is revoked.
    pub(super) async fn revoked(&self) {
        let authenticator = &self.endpoint.config.streams.authenticator;
        match &self.caller {
            Some(caller) => authenticator.revoked(caller, self.org.as_ref()).await,
            None => pending().await,
        }
    }

    /// Returns the message that ends the call.
    pub(super) fn response(&self, outcome: Result<Output, Ended>) -> Vec<u8> {
        body(&self.id, self.end(outcome))
    }

    /// Returns the response of a call that ended.
    pub(super) fn end(&self, outcome: Result<Output, Ended>) -> Result<Response, Stopped> {
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
            url_org: &self.url_org,
            arguments: Bound::Digest(self.arguments),
            is_retry: self.is_retry,
            route: self.route,
            has_head: false,
        };
        self.span
            .in_scope(|| self.endpoint.conclude(reply_to, end, outcome))
    }
}

/// Returns the message that ends the call.
pub(super) fn body(id: &str, end: Result<Response, Stopped>) -> Vec<u8> {
    let id = Some(id);
    let response = match end {
        Ok(response) => response,
        Err(Stopped::Asking(_)) => RpcError::Failed(NO_ANSWER.to_owned()).answer(id),
        Err(Stopped::Error(error)) => error.answer(id),
        Err(Stopped::Refused(refusal)) => without_status(&refusal).answer(id),
    };
    match response {
        Response::Message { body, .. } => body,
        // A call has a message as its response.
        Response::Accepted
        | Response::List { .. }
        | Response::Opened { .. }
        | Response::Refused { .. }
        | Response::Stream(_) => Vec::new(),
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
        | RefusedMessage::NoSession
        | RefusedMessage::NoThread
        | RefusedMessage::Subscriptions
        | RefusedMessage::Unaudited
        | RefusedMessage::Unavailable(_) => {
            RpcError::Failed("The server is busy. Try again in a moment.".to_owned())
        }
    }
}

pub(super) const NO_ANSWER: &str = "The client did not answer the question of the server.";
