//! The steps of a request one at a time, for the micro benchmarks of `benches`.
//!
//! Each takes what a request brings and goes through the server's own code: a [`Caller`] comes of a
//! verified token here too, and whether a guard lets it pass is told without the proof.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;

use crate::clerk::CONVENTIONS;
use crate::guard::{self, decide};
use crate::http::Site;
use crate::identity::{self, BearerToken, Caller, NamedBy, Org, Presented, UrlOrg};
use crate::protocol::{Challenger, Header, MODERN, Message, Mirrored, Response, Sender};
use crate::server::Server;

/// A server, taken apart.
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

    /// The caller of a token that was verified before.
    pub fn cached(&self, token: &str) -> Option<Caller> {
        self.site.authenticator.cached(&BearerToken::new(token))
    }

    /// The caller whom a token proves.
    pub async fn authenticate(&self, token: &str) -> Option<Caller> {
        let token = BearerToken::new(token);
        let client = identity::Client::at(Ipv4Addr::LOCALHOST.into());
        let caller = self.site.authenticator.authenticate_from(client, &token);
        caller.await.ok()
    }

    /// The organization that a caller acts in, looked up if it has to be.
    pub async fn organization(&self, caller: &Caller) -> Option<Org> {
        let organizations = &self.site.endpoint.config().organizations;
        let organization = organizations.of(caller, identity::Freshness::Current).await;
        organization.ok().flatten()
    }

    /// Whether a tool's guard lets a caller pass, with what is known of the organization.
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

    /// Returns the response to a message of MCP 2026-07-28; `None` if the response has no body.
    pub async fn handle(
        &self,
        method: &str,
        name: Option<&str>,
        caller: &Caller,
        body: Bytes,
    ) -> Option<Vec<u8>> {
        let mirrored = Mirrored {
            version: Header::Value(MODERN),
            method: Header::Value(method),
            name: name.map_or(Header::Absent, Header::Value),
        };
        match self
            .site
            .endpoint
            .handle(
                &mirrored,
                Sender {
                    caller: Some(caller),
                    party: caller.party(),
                },
                &UrlOrg::default(),
                body,
                &Challenger::new(String::new()),
            )
            .await
        {
            Response::List { start, rest } => Some([start, rest.to_vec()].concat()),
            Response::Message { body, .. } => Some(body),
            Response::Accepted | Response::Refused { .. } => None,
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

/// Whether a body is a message.
#[must_use]
pub fn is_message(body: &str) -> bool {
    Message::parse(body).is_ok()
}
