//! The rules that decide which tokens are accepted, from the server's configuration.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::identity::audience::{AudienceMode, AudiencePolicy};
use crate::identity::revocations::Revocations;
use crate::identity::scopes::ScopeHierarchy;
use crate::identity::token_kind::TokenKind;
use crate::loopback;

/// The rules that a genuine and current token must also meet.
#[derive(Clone, Debug)]
pub(crate) struct TokenPolicy {
    /// The issuer, compared byte for byte with `iss`.
    pub(crate) issuer: Arc<str>,
    /// The accepted audiences.
    pub(crate) audience: AudiencePolicy,
    /// The scopes that the server requires for every request.
    pub(crate) required_scopes: Vec<String>,
    /// The only OAuth clients whose tokens are accepted. `None` accepts any client. The revocations can replace the list
    /// while the server runs.
    pub(crate) allowed_clients: Option<Vec<String>>,
    /// The access that the operator revoked.
    pub(crate) revocations: Revocations,
    /// True if OAuth access tokens are accepted.
    pub(crate) oauth: bool,
    /// The parties whose session tokens are accepted. `None` accepts no session token.
    pub(crate) sessions: Option<Parties>,
    /// The machine whose M2M tokens are accepted. `None` accepts no M2M token.
    pub(crate) machine: Option<Machine>,
    /// The scopes that each API key must have. `None` accepts no API key.
    pub(crate) api_keys: Option<Vec<String>>,
    /// True if users are looked up, so that banned, locked and deleted users are refused.
    pub(crate) check_users: bool,
    /// The scopes that imply other scopes.
    pub(crate) scopes: Arc<ScopeHierarchy>,
    /// The tolerance for `exp`, `nbf` and `iat`, in milliseconds.
    pub(crate) leeway_ms: u64,
    /// The memory that the cache of verified JWTs may take, in bytes.
    pub(crate) cache_bytes: usize,
    /// The time for which a verified JWT is cached. With `None` it is cached until the JWT or its key expires.
    pub(crate) cache_age: Option<Duration>,
    /// True if keys of a local emulator may sign tokens; see [`Self::trust_emulator`].
    pub(crate) trusts_emulator: bool,
}

/// The parties (`azp`) whose session tokens are accepted, for
/// [`ServerBuilder::session_tokens`](crate::ServerBuilder::session_tokens).
///
/// ```
/// use mcp_auth::AuthorizedParties;
///
/// fn authorized(origins: &[String], is_test: bool) -> AuthorizedParties {
///     if is_test { AuthorizedParties::any() } else { AuthorizedParties::only(origins) }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizedParties(pub(crate) Parties);

impl AuthorizedParties {
    /// Accepts session tokens that were minted for these origins, such as `https://app.example.com`. The party of a
    /// token (`azp`) is the origin of the page that requested the token. A token without a party is refused.
    ///
    /// An origin is normalised to the form that browsers send: capitals, a default port and a final
    /// slash make no difference. The server does not start if there are no origins, or if an entry
    /// is empty or `null`, has no scheme, or has a path or a wildcard.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// use mcp_auth::AuthorizedParties;
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// let server = mcp_auth::server!()
    ///     .session_tokens(AuthorizedParties::only(["https://app.example.com"]));
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
    pub fn only<P: Into<String>>(origins: impl IntoIterator<Item = P>) -> Self {
        Self(Parties::Listed(
            origins.into_iter().map(Into::into).collect(),
        ))
    }

    /// Accepts session tokens that were minted for any origin, and session tokens without a party.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// use mcp_auth::AuthorizedParties;
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// let server = mcp_auth::server!().session_tokens(AuthorizedParties::any());
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// server.user("ada").session().call("greet", json!({})).await.expect_ok();
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// Any page on an origin that the instance trusts can then call this server with its user's
    /// session.
    #[must_use]
    pub fn any() -> Self {
        Self(Parties::Any)
    }
}

/// The accepted parties of session tokens.
#[derive(Clone, Debug)]
pub(crate) enum Parties {
    /// Any party. A token without a party is accepted, too.
    Any,
    /// Only these origins.
    Listed(Vec<String>),
}

/// The machine at the identity provider that represents this server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Machine {
    /// The machine with this id, which a token must name.
    Named(String),
    /// The machine whose secret key is configured. The issuer confirms only opaque tokens that are meant for this
    /// machine. JWTs are refused, because the server does not know the machine's id.
    Unnamed,
}

/// The scopes that every API key must have, for
/// [`ServerBuilder::api_keys`](crate::ServerBuilder::api_keys).
///
/// ```
/// use mcp_auth::ApiKeyScopes;
///
/// fn accepted(required: &[String], is_test: bool) -> ApiKeyScopes {
///     if is_test { ApiKeyScopes::any_key() } else { ApiKeyScopes::all_of(required) }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ApiKeyScopes(pub(crate) Option<Vec<String>>);

impl ApiKeyScopes {
    /// Accepts API keys that have all of these scopes, or scopes that imply these scopes by
    /// [`ServerBuilder::scope_implies`](crate::ServerBuilder::scope_implies).
    ///
    /// A server does not start with an empty list; [`any_key`](Self::any_key) accepts every key.
    ///
    /// ```
    /// use mcp_auth::ApiKeyScopes;
    ///
    /// let builder = mcp_auth::server!().api_keys(ApiKeyScopes::all_of(["documents:read"]));
    /// # let _ = builder;
    /// ```
    ///
    /// Source: <https://clerk.com/docs/guides/development/machine-auth/api-keys>.
    pub fn all_of<S: Into<String>>(required: impl IntoIterator<Item = S>) -> Self {
        Self(Some(required.into_iter().map(Into::into).collect()))
    }

    /// Accepts every API key of the instance.
    ///
    /// ```
    /// use mcp_auth::ApiKeyScopes;
    ///
    /// let builder = mcp_auth::server!().api_keys(ApiKeyScopes::any_key());
    /// # let _ = builder;
    /// ```
    ///
    /// # Security
    ///
    /// An API key of the instance that was created for another purpose also gives access to this server.
    #[must_use]
    pub fn any_key() -> Self {
        Self(None)
    }
}

impl TokenPolicy {
    /// Returns true if tokens of this kind are accepted.
    pub(crate) fn accepts(&self, kind: TokenKind) -> bool {
        match kind {
            TokenKind::ApiKey => self.api_keys.is_some(),
            TokenKind::M2m => self.machine.is_some(),
            TokenKind::OAuth => self.oauth,
            TokenKind::Session => self.sessions.is_some(),
        }
    }

    /// Returns the kinds of tokens that are accepted.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = TokenKind> + use<'_> {
        let kinds = [
            TokenKind::OAuth,
            TokenKind::Session,
            TokenKind::M2m,
            TokenKind::ApiKey,
        ];
        kinds.into_iter().filter(|kind| self.accepts(*kind))
    }

    /// Accepts OAuth access tokens of this issuer for one of these audiences, and nothing else.
    pub(crate) fn new(issuer: String, audiences: Vec<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: AudiencePolicy {
                accepted: audiences,
                mode: AudienceMode::Require,
            },
            required_scopes: Vec::new(),
            allowed_clients: None,
            revocations: Revocations::default(),
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

    /// Accepts keys of a local emulator, if the issuer is plain http on loopback and the server is local.
    pub(crate) fn trust_emulator(&mut self, server_is_local: bool) {
        self.trusts_emulator = server_is_local
            && Url::parse(&self.issuer)
                .is_ok_and(|issuer| issuer.scheme() == "http" && loopback::is_url(&issuer));
    }
}

/// The default tolerance. Clerk's SDK has the same tolerance.
pub(crate) const DEFAULT_LEEWAY_MS: u64 = 5_000;
/// The default memory of the cache, in bytes. It is enough for about 20 000 tokens.
pub(crate) const DEFAULT_CACHE_BYTES: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_is_trusted_only_if_both_ends_are_on_loopback() {
        let trusts = |issuer: &str, server_is_local| {
            let mut policy = TokenPolicy::new(issuer.to_owned(), Vec::new());
            policy.trust_emulator(server_is_local);
            policy.trusts_emulator
        };
        assert!(trusts("http://127.0.0.1:4000", true));
        assert!(!trusts("http://127.0.0.1:4000", false));
        assert!(!trusts("https://127.0.0.1:4000", true));
        assert!(!trusts("http://clerk.example.com", true));
    }
}
