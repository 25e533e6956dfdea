//! What a token is asked for with: by code, in the body of `POST /dev/tokens`, in the query of
//! `GET /dev/token`.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;

/// A wish for a token. What does not go with its kind is an error when the token is minted.
///
/// ```
/// use clerk_emulator::TokenRequest;
///
/// let expired = TokenRequest::oauth("ada")
///     .org("acme")
///     .scopes(["documents:read"])
///     .aud("https://mcp.example.com/mcp")
///     .client_id("client_1")
///     .expires_in(-60);
/// assert_eq!(expired.org.as_deref(), Some("acme"));
///
/// let of_a_page = TokenRequest::session("ada").azp("https://app.example.com");
/// let of_an_old_instance = TokenRequest::session_v1("ada").org("acme");
///
/// // The body of `POST /dev/tokens`:
/// let same = r#"{"user": "ada", "kind": "session", "azp": "https://app.example.com"}"#;
/// let same: TokenRequest = serde_json::from_str(same)?;
/// assert_eq!((same.kind, same.azp), (of_a_page.kind, of_a_page.azp));
/// # let _ = of_an_old_instance;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Whose token: a username or an id.
    pub user: String,
    /// The organization it is for: a slug or an id. The user must be a member.
    pub org: Option<String>,
    /// The kind of token; `oauth` if not said.
    #[serde(default)]
    pub kind: TokenKind,
    /// The granted scopes, OAuth only; `profile email` if not said. With an organization, `user:org:read` is
    /// always among them. In JSON a list, or a text with spaces between.
    #[serde(default, deserialize_with = "scopes")]
    pub scopes: Option<Vec<String>>,
    /// The claim `aud`; absent if not said, as it is in most of Clerk's tokens.
    pub aud: Option<Audience>,
    /// Seconds until it expires; a day (OAuth) or a minute (session) if not said. Zero or less makes an
    /// expired token: one that was issued a lifetime before it expired.
    pub expires_in: Option<i64>,
    /// The OAuth client, OAuth only; `client_emulator` if not said.
    pub client_id: Option<String>,
    /// The origin that asked for it, session only; `http://localhost:3000` if not said.
    pub azp: Option<String>,
}

impl TokenRequest {
    /// An OAuth access token for `user`, a username or an id.
    pub fn oauth(user: impl Into<String>) -> Self {
        Self::new(user.into(), TokenKind::Oauth)
    }

    /// A session token (version 2) for `user`, a username or an id.
    pub fn session(user: impl Into<String>) -> Self {
        Self::new(user.into(), TokenKind::Session)
    }

    /// A session token of the deprecated version 1 for `user`, a username or an id.
    pub fn session_v1(user: impl Into<String>) -> Self {
        Self::new(user.into(), TokenKind::SessionV1)
    }

    fn new(user: String, kind: TokenKind) -> Self {
        Self {
            user,
            org: None,
            kind,
            scopes: None,
            aud: None,
            expires_in: None,
            client_id: None,
            azp: None,
        }
    }

    /// For this organization, a slug or an id, of which the user must be a member.
    #[must_use]
    pub fn org(mut self, org: impl Into<String>) -> Self {
        self.org = Some(org.into());
        self
    }

    /// With these scopes instead of `profile email`; OAuth only. None has white space in it.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// With this audience: a text, or a list of them.
    #[must_use]
    pub fn aud(mut self, aud: impl Into<Audience>) -> Self {
        self.aud = Some(aud.into());
        self
    }

    /// Expiring in so many seconds from when it is minted; zero or less for a token that has expired.
    #[must_use]
    pub fn expires_in(mut self, seconds: i64) -> Self {
        self.expires_in = Some(seconds);
        self
    }

    /// Issued to this OAuth client; OAuth only.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Issued to a page of this origin; session only.
    #[must_use]
    pub fn azp(mut self, azp: impl Into<String>) -> Self {
        self.azp = Some(azp.into());
        self
    }
}

/// The kinds of token that are minted.
///
/// ```
/// use clerk_emulator::{TokenKind, TokenRequest};
///
/// assert_eq!(TokenRequest::oauth("ada").kind, TokenKind::default());
/// // As `POST /dev/tokens` and `GET /dev/token` spell it:
/// assert_eq!(TokenKind::SessionV1.to_string(), "session_v1");
/// ```
///
/// Source: RFC 9068 §2, <https://clerk.com/docs/guides/sessions/session-tokens>.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// An OAuth access token in its JWT form: what an MCP client presents. No role, no permissions.
    #[default]
    Oauth,
    /// A session token, version 2: permissions are bit-packed.
    Session,
    /// A session token of the deprecated version 1.
    SessionV1,
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oauth => "oauth",
            Self::Session => "session",
            Self::SessionV1 => "session_v1",
        })
    }
}

/// The claim `aud` (RFC 7519 §4.1.3): one resource, or a list.
///
/// ```
/// use clerk_emulator::{Audience, TokenRequest};
///
/// let one = TokenRequest::oauth("ada").aud("https://mcp.example.com/mcp");
/// assert!(matches!(one.aud, Some(Audience::One(_))));
/// let many = TokenRequest::oauth("ada").aud(vec![String::from("a"), String::from("b")]);
/// assert!(matches!(many.aud, Some(Audience::Many(_))));
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Audience {
    /// A JSON list.
    Many(Vec<String>),
    /// A JSON string.
    One(String),
}

impl From<&str> for Audience {
    fn from(resource: &str) -> Self {
        Self::One(String::from(resource))
    }
}

impl From<String> for Audience {
    fn from(resource: String) -> Self {
        Self::One(resource)
    }
}

impl From<Vec<String>> for Audience {
    fn from(resources: Vec<String>) -> Self {
        Self::Many(resources)
    }
}

fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scopes {
        List(Vec<String>),
        Text(String),
    }

    Ok(
        Option::deserialize(deserializer)?.map(|scopes| match scopes {
            Scopes::List(list) => list,
            Scopes::Text(text) => text.split_whitespace().map(String::from).collect(),
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<TokenRequest, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn only_the_user_must_be_said() {
        let request = read(r#"{"user": "ada"}"#).unwrap();
        assert_eq!(request.kind, TokenKind::Oauth);
        assert_eq!(
            (request.org, request.scopes, request.aud),
            (None, None, None)
        );
        assert!(read("{}").is_err());
    }

    #[test]
    fn kinds_are_named_as_they_are_shown() {
        for kind in [TokenKind::Oauth, TokenKind::Session, TokenKind::SessionV1] {
            let request = read(&format!(r#"{{"user": "ada", "kind": "{kind}"}}"#)).unwrap();
            assert_eq!(request.kind, kind);
        }
        assert!(read(r#"{"user": "ada", "kind": "api_key"}"#).is_err());
    }

    #[test]
    fn scopes_and_audience_are_a_text_or_a_list() {
        let text = read(r#"{"user": "ada", "scopes": "a b", "aud": "x"}"#).unwrap();
        let list = read(r#"{"user": "ada", "scopes": ["a", "b"], "aud": ["x"]}"#).unwrap();
        assert_eq!(text.scopes, list.scopes);
        assert_eq!(text.aud, Some("x".into()));
        assert_eq!(list.aud, Some(vec![String::from("x")].into()));
        assert!(read(r#"{"user": "ada", "scopes": 1}"#).is_err());
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let error = read(r#"{"user": "ada", "expires": 1}"#).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `expires`"),
            "{error}"
        );
    }
}
