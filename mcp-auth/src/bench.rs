//! The single steps of a request, for the micro benchmarks of `benches`.
//!
//! Each step takes the inputs that it has in a request, and runs the server's own code. A [`Caller`] comes only from a
//! verified token. [`Steps::allows`] returns a boolean instead of the proof that a real call needs.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;

use crate::clerk::CONVENTIONS;
use crate::guard::{self, decide};
use crate::http::Site;
use crate::identity::{self, BearerToken, Caller, NamedBy, Org, Presented, UrlOrg};
use crate::protocol::{Challenger, Header, MODERN, Message, Mirrored, Response, Sender};
use crate::server::Server;

/// A server whose steps can be called individually.
#[derive(Debug)]
pub struct Steps {
    site: Arc<Site>,
    _server: Server,
}

impl Steps {
    /// Makes the steps of a server's requests.
    pub fn of(server: Server) -> Self {
        Self {
            site: server.site(),
            _server: server,
        }
    }

    /// Returns the cached caller of a token that was verified before.
    pub fn cached(&self, token: &str) -> Option<Caller> {
        self.site.authenticator.cached(&BearerToken::new(token))
    }

    /// Verifies a token and returns its caller.
    pub async fn authenticate(&self, token: &str) -> Option<Caller> {
        let token = BearerToken::new(token);
        let client = identity::Client::at(Ipv4Addr::LOCALHOST.into());
        let caller = self.site.authenticator.authenticate_from(client, &token);
        caller.await.ok()
    }

    /// Returns the organization in which a caller acts, after a look-up if a look-up is necessary.
    pub async fn organization(&self, caller: &Caller) -> Option<Org> {
        let organizations = &self.site.endpoint.config().organizations;
        let organization = organizations.of(caller, identity::Freshness::Current).await;
        organization.ok().flatten()
    }

    /// Returns true if a tool's guard allows a caller with this organization.
    pub fn allows(&self, tool: &str, caller: &Caller, organization: Option<&Org>) -> bool {
        let facts = guard::CallFacts {
            caller: Some(caller),
            organization: Ok(organization),
            named_by: NamedBy::default(),
            server_scopes: &[],
        };
        let tool = self.site.endpoint.config().registry.find(tool);
        tool.is_some_and(|tool| decide(tool.guard(), &facts).is_ok())
    }

    /// Returns the response to a message of MCP 2026-07-28. `None` if the response has no body.
    pub async fn handle(
        &self,
        method: &str,
        name: Option<&str>,
        caller: &Caller,
        body: Bytes,
    ) -> Option<Vec<u8>> {
        let mirrored = Mirrored {
            required: true,
            version: Header::Value(MODERN),
            method: Header::Value(method),
            name: name.map_or(Header::Absent, Header::Value),
            arguments: &[],
        };
        match self
            .site
            .endpoint
            .handle(
                &mirrored,
                Sender {
                    caller: Some(caller),
                    party: caller.party(),
                    streams: true,
                    token: None,
                    span: None,
                },
                &UrlOrg::default(),
                body,
                &Challenger::new(String::new()),
            )
            .await
        {
            Response::List { start, rest } => Some([start, rest.to_vec()].concat()),
            Response::Message { body, .. } => Some(body),
            Response::Accepted
            | Response::Opened { .. }
            | Response::Refused { .. }
            | Response::Stream(_) => None,
        }
    }
}

/// Returns true if a token is a JWT that can be parsed. The signature is not checked.
#[must_use]
pub fn is_readable(token: &str) -> bool {
    match Presented::classify(&BearerToken::new(token), &CONVENTIONS) {
        Ok(Presented::Jwt(segments)) => segments.read(&CONVENTIONS).is_ok(),
        Ok(Presented::Opaque(_)) | Err(_) => false,
    }
}

/// Returns true if a body is a valid message of MCP.
#[must_use]
pub fn is_message(body: &str) -> bool {
    Message::parse(body).is_ok()
}
