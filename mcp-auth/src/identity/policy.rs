//! Which tokens are accepted, as the server's configuration says.

use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use crate::identity::audience::{AudienceMode, AudiencePolicy};
use crate::identity::caller::TokenKind;
use crate::identity::scopes::ScopeHierarchy;

/// What a token has to say about itself, besides being genuine and current.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// The issuer, compared byte for byte with `iss`.
    pub(crate) issuer: Arc<str>,
    /// Which audiences tokens may have.
    pub(crate) audience: AudiencePolicy,
    /// The scopes that the server requires of every request.
    pub(crate) required_scopes: Vec<String>,
    /// The only OAuth clients whose tokens are accepted; `None` accepts any.
    pub(crate) allowed_clients: Option<Vec<String>>,
    /// Whether OAuth access tokens are accepted.
    pub(crate) oauth: bool,
    /// Whether session tokens are accepted, and of which parties.
    pub(crate) sessions: Option<Parties>,
    /// Whether machines' tokens are accepted, and for which machine.
    pub(crate) machine: Option<Machine>,
    /// Whether API keys are accepted, and which scopes each must have.
    pub(crate) api_keys: Option<Vec<String>>,
    /// Whether users are looked up, to refuse those who are banned, locked or gone.
    pub(crate) check_users: bool,
    /// Which of its scopes contain others.
    pub(crate) scopes: Arc<ScopeHierarchy>,
    /// Tolerance for `exp`, `nbf` and `iat`.
    pub(crate) leeway_ms: u64,
    /// How much memory the callers of JWTs take that were verified before.
    pub(crate) cache_bytes: usize,
    /// How long a JWT is not verified anew; `None` for as long as it is current and its key is.
    pub(crate) cache_age: Option<Duration>,
    /// Whether keys of a local emulator may sign; see [`Self::trust_emulator`].
    pub(crate) trusts_emulator: bool,
}

/// The parties (`azp`) whose session tokens are accepted.
///
/// Made by [`parties`] or [`parties_any`], for
/// [`ServerBuilder::session_tokens`](crate::ServerBuilder::session_tokens).
///
/// ```
/// use mcp_auth::{AuthorizedParties, parties, parties_any};
///
/// fn authorized(origins: &[String], is_test: bool) -> AuthorizedParties {
///     if is_test { parties_any() } else { parties(origins) }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizedParties(pub(crate) Parties);

/// Accepts session tokens minted for these origins, like `https://app.example.com`. The party of a token
/// (`azp`) is the origin of the page that had it minted; a token that names none is refused.
///
/// An origin is normalised to what browsers send: capitals, a default port and a final slash make no
/// difference. A server does not start without an origin, or with an entry that is empty, has no scheme, a
/// path or a wildcard, or is `null`.
///
/// ```
/// # /// Greet.
/// # #[mcp_auth::mcp_tool]
/// # async fn greet() -> String { "Hello".to_owned() }
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::parties;
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// let server = mcp_auth::server!().session_tokens(parties(["https://app.example.com"]));
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let ada = server.user("ada").session();
/// ada.call("greet", json!({})).await.expect_ok();
/// let elsewhere = ada.party("https://evil.example.com").call("greet", json!({})).await;
/// elsewhere.expect_refused("token-invalid-authorized-parties");
/// # });
/// ```
///
/// Source: <https://clerk.com/docs/guides/sessions/manual-jwt-verification>.
pub fn parties<P: Into<String>>(origins: impl IntoIterator<Item = P>) -> AuthorizedParties {
    AuthorizedParties(Parties::Listed(
        origins.into_iter().map(Into::into).collect(),
    ))
}

/// Accepts session tokens whatever origin they were minted for, and those that name none.
///
/// ```
/// # /// Greet.
/// # #[mcp_auth::mcp_tool]
/// # async fn greet() -> String { "Hello".to_owned() }
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::parties_any;
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// let server = mcp_auth::server!().session_tokens(parties_any());
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// server.user("ada").session().call("greet", json!({})).await.expect_ok();
/// # });
/// ```
///
/// # Security
///
/// A page on any origin that the instance trusts can then act here with its user's session.
#[must_use]
pub fn parties_any() -> AuthorizedParties {
    AuthorizedParties(Parties::Any)
}

/// The parties themselves.
#[derive(Clone, Debug)]
pub(crate) enum Parties {
    /// Any, a token that names none included.
    Any,
    /// These origins only.
    Listed(Vec<String>),
}

/// The machine that this server is to others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Machine {
    /// By its id, which a token must name.
    Named(String),
    /// By its secret key alone, with which the issuer is asked: it confirms nothing else. Tokens that
    /// are verified here are refused.
    Unnamed,
}

/// The scopes that every API key must have.
///
/// Made by [`scopes`] or [`any_api_key`], for
/// [`ServerBuilder::api_keys`](crate::ServerBuilder::api_keys).
///
/// ```
/// use mcp_auth::{ApiKeyScopes, any_api_key, scopes};
///
/// fn accepted(required: &[String], is_test: bool) -> ApiKeyScopes {
///     if is_test { any_api_key() } else { scopes(required) }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ApiKeyScopes(pub(crate) Option<Vec<String>>);

/// Accepts API keys that have all of these scopes, or scopes that contain them by
/// [`ServerBuilder::scope_implies`](crate::ServerBuilder::scope_implies).
///
/// Without a scope the server does not start: [`any_api_key`] says that all keys are meant.
///
/// ```
/// use mcp_auth::scopes;
///
/// let builder = mcp_auth::server!().api_keys(scopes(["documents:read"]));
/// # let _ = builder;
/// ```
///
/// Source: <https://clerk.com/docs/guides/development/machine-auth/api-keys>.
pub fn scopes<S: Into<String>>(required: impl IntoIterator<Item = S>) -> ApiKeyScopes {
    ApiKeyScopes(Some(required.into_iter().map(Into::into).collect()))
}

/// Accepts every API key of the instance.
///
/// ```
/// use mcp_auth::any_api_key;
///
/// let builder = mcp_auth::server!().api_keys(any_api_key());
/// # let _ = builder;
/// ```
///
/// # Security
///
/// A key that was made for any other use in the same instance is a credential here, too.
#[must_use]
pub fn any_api_key() -> ApiKeyScopes {
    ApiKeyScopes(None)
}

impl Policy {
    /// Whether tokens of this kind are accepted at all.
    pub(crate) fn accepts(&self, kind: TokenKind) -> bool {
        match kind {
            TokenKind::ApiKey => self.api_keys.is_some(),
            TokenKind::M2m => self.machine.is_some(),
            TokenKind::OAuth => self.oauth,
            TokenKind::Session => self.sessions.is_some(),
        }
    }

    /// OAuth access tokens of this issuer that are meant for one of these resources.
    pub(crate) fn new(issuer: String, audiences: Vec<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: AudiencePolicy {
                accepted: audiences,
                mode: AudienceMode::Require,
            },
            required_scopes: Vec::new(),
            allowed_clients: None,
            oauth: true,
            sessions: None,
            machine: None,
            api_keys: None,
            check_users: false,
            scopes: Arc::default(),
            leeway_ms: DEFAULT_LEEWAY_MS,
            cache_bytes: DEFAULT_CACHE_BYTES,
            cache_age: None,
            trusts_emulator: false,
        }
    }

    /// Lets keys of a local emulator sign if both ends are on this machine: the server, as is said
    /// here, and the issuer.
    pub(crate) fn trust_emulator(&mut self, server_is_local: bool) {
        self.trusts_emulator = server_is_local
            && Url::parse(&self.issuer)
                .is_ok_and(|issuer| issuer.scheme() == "http" && is_loopback(&issuer));
    }
}

/// Whether a URL's host is this machine: `localhost`, `127.0.0.0/8` or `[::1]`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The tolerance of Clerk's SDK.
pub(crate) const DEFAULT_LEEWAY_MS: u64 = 5_000;
/// Enough for about 20 000 tokens.
pub(crate) const DEFAULT_CACHE_BYTES: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_by_the_host_alone() {
        for url in [
            "http://localhost:1",
            "http://127.0.0.1/x",
            "https://127.9.9.9",
            "http://[::1]:3",
        ] {
            assert!(is_loopback(&Url::parse(url).unwrap()), "{url}");
        }
        for url in [
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://a@example.com",
            "data:x",
        ] {
            assert!(!is_loopback(&Url::parse(url).unwrap()), "{url}");
        }
    }

    #[test]
    fn an_emulator_is_trusted_only_if_both_ends_are_on_loopback() {
        let trusts = |issuer: &str, server_is_local| {
            let mut policy = Policy::new(issuer.to_owned(), Vec::new());
            policy.trust_emulator(server_is_local);
            policy.trusts_emulator
        };
        assert!(trusts("http://127.0.0.1:4000", true));
        assert!(!trusts("http://127.0.0.1:4000", false));
        assert!(!trusts("https://127.0.0.1:4000", true));
        assert!(!trusts("http://clerk.example.com", true));
    }
}
