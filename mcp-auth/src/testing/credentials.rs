//! The credentials of a caller in a test, and the tokens that are minted for these credentials.

use std::fmt;
use std::time::Duration;

use clerk_emulator::{MintError, TokenRequest};
use serde_json::{Map, Value};

use crate::identity::Owner;

use super::server::TestServer;

/// The credentials that a caller presents.
#[derive(Clone)]
pub(super) enum Credentials {
    None,
    Token(String),
    User(Box<User>),
}

/// A user, a machine or an API key. Each request of the caller has a new token.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) organization: Option<String>,
    pub(super) role: Option<String>,
    pub(super) permissions: Option<Vec<String>>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) client_id: String,
    pub(super) audience: Option<String>,
    pub(super) party: Option<String>,
    pub(super) features: Vec<String>,
    pub(super) plans: Vec<String>,
    pub(super) factor_ages: Option<[f64; 2]>,
    pub(super) expires_in: Option<i64>,
    pub(super) issued_ago: Duration,
    pub(super) claims: Map<String, Value>,
    pub(super) kind: Kind,
}

/// The kind of credential that a caller presents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    ApiKey,
    Machine,
    MachineJwt,
    OAuth,
    OpaqueOAuth,
    OrganizationKey,
    Session,
}

impl User {
    pub(super) fn new(name: &str, kind: Kind, audience: String) -> Self {
        Self {
            name: name.to_owned(),
            organization: None,
            role: None,
            permissions: None,
            scopes: None,
            client_id: "client_test".to_owned(),
            audience: Some(audience),
            party: None,
            features: Vec::new(),
            plans: Vec::new(),
            factor_ages: None,
            expires_in: None,
            issued_ago: Duration::ZERO,
            claims: Map::new(),
            kind,
        }
    }

    /// Sets the organization, the role and the permissions of this caller at the test's Clerk.
    pub(super) fn describe(&self, server: &TestServer) {
        let Some(organization) = &self.organization else {
            return;
        };
        let (role, permissions) = (self.role.as_deref(), self.permissions.as_deref());
        let says_more = role.is_some() || permissions.is_some();
        if says_more || !server.was_removed(&self.name, organization) {
            server.describe_member(&self.name, organization, role, permissions);
        }
    }

    pub(super) fn mint(&self, server: &TestServer) -> Result<String, MintError> {
        let instance = &server.instance;
        let now = server.clock.unix_seconds();
        let issued = now.saturating_sub(self.issued_ago.as_secs());
        if matches!(self.kind, Kind::Machine | Kind::MachineJwt) {
            let meant_for: Vec<_> = self.audience.as_deref().into_iter().collect();
            instance.set_machine(&self.name, &meant_for);
        }
        let is_secret = matches!(
            self.kind,
            Kind::ApiKey | Kind::Machine | Kind::OrganizationKey
        );
        if is_secret {
            let mut request = self.token_request(server);
            if !self.claims.is_empty() {
                request = request.claims(self.claims.clone());
            }
            return instance.mint(&request, issued);
        }
        let (header, mut claims) = match instance.token_parts(&self.token_request(server), issued) {
            Err(MintError::NotAMember { .. }) => self.of_former_member(server, issued)?,
            parts => parts?,
        };
        for (name, value) in &self.claims {
            match (claims.as_object_mut(), value) {
                (Some(claims), Value::Null) => drop(claims.remove(name)),
                (Some(claims), value) => drop(claims.insert(name.clone(), value.clone())),
                (None, _) => {}
            }
        }
        if self.kind == Kind::OpaqueOAuth {
            instance.mint_opaque_claims(claims)
        } else {
            instance.mint_claims(header, claims)
        }
    }

    /// Returns the header and the claims of a token whose user is no longer a member. An OAuth token can outlive the
    /// membership, so it still names the organization. A session token lives for only a minute, so it names no
    /// organization.
    fn of_former_member(
        &self,
        server: &TestServer,
        issued: u64,
    ) -> Result<(Value, Value), MintError> {
        let mut stranger = self.clone();
        let organization = stranger.organization.take();
        let organization = organization.filter(|_| self.kind != Kind::Session);
        let (header, mut claims) = server
            .instance
            .token_parts(&stranger.token_request(server), issued)?;
        let directory = server.instance.directory();
        if let Some(organization) =
            organization.and_then(|slug| directory.organization(&slug).cloned())
            && let Some(claims) = claims.as_object_mut()
        {
            claims.insert("org_id".to_owned(), organization.id.into());
            let scopes = claims.get("scope").and_then(Value::as_str);
            let scopes = format!("{} user:org:read", scopes.unwrap_or_default());
            claims.insert("scope".to_owned(), scopes.into());
        }
        Ok((header, claims))
    }

    fn token_request(&self, server: &TestServer) -> TokenRequest {
        let name = self.name.as_str();
        let mut request = match self.kind {
            Kind::ApiKey => TokenRequest::api_key(name),
            Kind::Machine => TokenRequest::m2m(name),
            Kind::MachineJwt => TokenRequest::m2m(name).jwt(),
            // An opaque token has the same claims as a JWT.
            Kind::OAuth | Kind::OpaqueOAuth => {
                TokenRequest::oauth(name).client_id(self.client_id.as_str())
            }
            Kind::OrganizationKey => TokenRequest::org_api_key(name),
            Kind::Session => TokenRequest::session(name),
        };
        if let Some(organization) = &self.organization {
            request = request.org(organization.as_str());
        }
        if let Some(scopes) = &self.scopes {
            request = request.scopes(scopes.iter().map(String::as_str));
        }
        let is_oauth = matches!(self.kind, Kind::OAuth | Kind::OpaqueOAuth);
        if let Some(audience) = self.audience.as_deref().filter(|_| is_oauth) {
            request = request.aud(audience);
        }
        let accepted = server.party.as_ref().filter(|_| self.kind == Kind::Session);
        if let Some(party) = self.party.as_ref().or(accepted) {
            request = request.azp(party.as_str());
        }
        if self.kind == Kind::Session {
            request.features.clone_from(&self.features);
            request.plans.clone_from(&self.plans);
            request.factor_ages = self.factor_ages;
        }
        if let Some(seconds) = self.expires_in {
            request = request.expires_in(seconds);
        }
        request
    }
}

/// Leaves the token out, because other servers may accept it.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Token(_) => f.write_str("[redacted]"),
            Self::User(user) => user.fmt(f),
        }
    }
}

/// Converts a feature or a plan to the form that session tokens have.
pub(super) fn as_claimed(asked: &str) -> String {
    match Owner::split(asked) {
        Some((Owner::Organization, slug)) => format!("o:{slug}"),
        Some((Owner::User, slug)) => format!("u:{slug}"),
        Some((Owner::Any, slug)) => format!("ou:{slug}"),
        // A malformed name stays unchanged, and belongs to no owner.
        None => asked.to_owned(),
    }
}
