//! What a token is asked for with: by code, in the body of `POST /dev/tokens`, in the query of
//! `GET /dev/token`.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

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
/// let of_a_customer = TokenRequest::session("ada").feature("user:export").plan("user:pro");
/// let of_support = TokenRequest::session("ada").actor("user_linus");
/// let signed_in_yesterday = TokenRequest::session("ada").factor_ages(1440.0, -1.0);
/// let of_an_old_instance = TokenRequest::session_v1("ada").org("acme");
/// let of_a_machine = TokenRequest::m2m("billing").jwt();
/// let of_a_user = TokenRequest::api_key("ada").scopes(["documents:read"]);
/// let opaque = TokenRequest::oauth("ada").opaque();
/// let of_an_organization = TokenRequest::org_api_key("acme").expires_in(3600);
///
/// // The body of `POST /dev/tokens`:
/// let same = r#"{"user": "ada", "kind": "session", "azp": "https://app.example.com"}"#;
/// let same: TokenRequest = serde_json::from_str(same)?;
/// assert_eq!((same.kind, same.azp), (of_a_page.kind, of_a_page.azp));
/// # let _ = (of_an_old_instance, of_a_machine, of_a_user, opaque, of_an_organization);
/// # let _ = (of_a_customer, of_support, signed_in_yesterday);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Whose token: a username or an id.
    pub user: Option<String>,
    /// The organization it is for: a slug or an id. The user must be a member. An API key is of a user or of
    /// an organization, not of both.
    pub org: Option<String>,
    /// Whose token, M2M only: the name or the id of a machine.
    pub machine: Option<String>,
    /// The kind of token; `oauth` if not said.
    #[serde(default)]
    pub kind: TokenKind,
    /// What an OAuth access token or M2M token is written as; if not said what the settings say (OAuth: a JWT
    /// by default), or opaque (M2M).
    pub format: Option<TokenFormat>,
    /// The granted scopes. Of an OAuth access token `profile email` if not said, and with an organization,
    /// `user:org:read` is always among them; of an API key none; of an M2M token the machines that it is for,
    /// by name or id: all that its machine may talk to. In JSON a list, or a text with spaces between.
    #[serde(default, deserialize_with = "scopes")]
    pub scopes: Option<Vec<String>>,
    /// The claim `aud`; absent if not said, as it is in most of Clerk's tokens.
    pub aud: Option<Audience>,
    /// Claims of one's own, a JSON object, M2M tokens and API keys only. In a query the text of one.
    #[serde(default, deserialize_with = "claims")]
    pub claims: Option<Value>,
    /// Seconds until it expires; a day (OAuth), an hour (M2M), a minute (session) or never (API key) if not
    /// said. Zero or less makes an expired token: one that was issued a lifetime before it expired.
    pub expires_in: Option<i64>,
    /// The OAuth client, OAuth only; `client_emulator` if not said.
    pub client_id: Option<String>,
    /// The id of who acts in the user's name (the claim `act`), OAuth and session only; nobody if not said.
    pub actor: Option<String>,
    /// The origin that asked for it, session only; if not said, what the settings say, which by default is
    /// `http://localhost:3000`.
    pub azp: Option<String>,
    /// Features beside those of the permissions and of the directory, session only: `org:export`,
    /// `user:export`, or `export` for both; or as Clerk writes it, `o:export`, `u:export`, `ou:export`. In JSON
    /// a list, or a text with commas between.
    #[serde(default, deserialize_with = "slugs")]
    pub features: Vec<String>,
    /// The plans, session only, spelled like the features; those of the directory if none is said, and `free`
    /// for who has none there.
    #[serde(default, deserialize_with = "slugs")]
    pub plans: Vec<String>,
    /// Minutes since the first and the second factor were verified, -1 for never, session only;
    /// `[0, -1]` if not said. In a query `30,-1`.
    #[serde(default, deserialize_with = "factor_ages")]
    pub factor_ages: Option<[f64; 2]>,
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

    /// A machine-to-machine token of `machine`, a name or an id; opaque.
    pub fn m2m(machine: impl Into<String>) -> Self {
        Self {
            machine: Some(machine.into()),
            ..Self::of_nobody(TokenKind::M2m)
        }
    }

    /// An API key of `user`, a username or an id.
    pub fn api_key(user: impl Into<String>) -> Self {
        Self::new(user.into(), TokenKind::ApiKey)
    }

    /// An API key of `org` itself, a slug or an id.
    pub fn org_api_key(org: impl Into<String>) -> Self {
        Self::of_nobody(TokenKind::ApiKey).org(org)
    }

    fn new(user: String, kind: TokenKind) -> Self {
        Self {
            user: Some(user),
            ..Self::of_nobody(kind)
        }
    }

    fn of_nobody(kind: TokenKind) -> Self {
        Self {
            user: None,
            org: None,
            machine: None,
            kind,
            format: None,
            scopes: None,
            aud: None,
            claims: None,
            expires_in: None,
            client_id: None,
            actor: None,
            azp: None,
            features: Vec::new(),
            plans: Vec::new(),
            factor_ages: None,
        }
    }

    /// For this organization, a slug or an id, of which the user must be a member.
    #[must_use]
    pub fn org(mut self, org: impl Into<String>) -> Self {
        self.org = Some(org.into());
        self
    }

    /// As a JWT; OAuth and M2M only.
    #[must_use]
    pub fn jwt(mut self) -> Self {
        self.format = Some(TokenFormat::Jwt);
        self
    }

    /// As an opaque token; not for sessions.
    #[must_use]
    pub fn opaque(mut self) -> Self {
        self.format = Some(TokenFormat::Opaque);
        self
    }

    /// With these scopes instead of those of the kind; not for sessions. None has white space in it.
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

    /// With these claims of one's own, a JSON object; M2M tokens and API keys only.
    #[must_use]
    pub fn claims(mut self, claims: impl Into<Value>) -> Self {
        self.claims = Some(claims.into());
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

    /// With somebody who acts in the user's name, by id; OAuth and session only.
    #[must_use]
    pub fn actor(mut self, id: impl Into<String>) -> Self {
        self.actor = Some(id.into());
        self
    }

    /// Issued to a page of this origin; session only.
    #[must_use]
    pub fn azp(mut self, azp: impl Into<String>) -> Self {
        self.azp = Some(azp.into());
        self
    }

    /// With this feature beside those of the permissions and of the directory: `org:export`, `user:export`, or
    /// `export` for both; session only.
    #[must_use]
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.features.push(feature.into());
        self
    }

    /// With this plan instead of those of the directory: `org:pro`, `user:pro`, or `pro` for both; session only.
    #[must_use]
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.plans.push(plan.into());
        self
    }

    /// With the factors verified so many minutes ago, -1 for never; session only.
    #[must_use]
    pub fn factor_ages(mut self, first: f64, second: f64) -> Self {
        self.factor_ages = Some([first, second]);
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
    /// A machine-to-machine token.
    M2m,
    /// An API key.
    ApiKey,
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oauth => "oauth",
            Self::Session => "session",
            Self::SessionV1 => "session_v1",
            Self::M2m => "m2m",
            Self::ApiKey => "api_key",
        })
    }
}

/// The two ways to write a token.
///
/// ```
/// use clerk_emulator::{TokenFormat, TokenRequest};
///
/// assert_eq!(TokenRequest::m2m("billing").jwt().format, Some(TokenFormat::Jwt));
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TokenFormat {
    /// Signed, and to be read by whoever has the public key.
    Jwt,
    /// A secret that means something to its issuer only.
    Opaque,
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

/// An object, or the text of one.
fn claims<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    match Option::deserialize(deserializer)? {
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(D::Error::custom),
        claims => Ok(claims),
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
            Scopes::Text(text) => {
                let scopes = text.split(' ').filter(|scope| !scope.is_empty());
                scopes.map(String::from).collect()
            }
        }),
    )
}

fn slugs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a list, or a text with commas between")]
    enum Slugs {
        List(Vec<String>),
        Text(String),
    }

    let slug = |slug: &str| String::from(slug.trim());
    Ok(match Slugs::deserialize(deserializer)? {
        Slugs::List(list) => list,
        Slugs::Text(text) => text.split(',').map(slug).collect(),
    })
}

fn factor_ages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[f64; 2]>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "two numbers, like `30,-1`")]
    enum Ages {
        List([f64; 2]),
        Text(String),
    }

    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Ages::List(ages)) => Ok(Some(ages)),
        Some(Ages::Text(text)) => {
            let ages = text.split_once(',').and_then(|(first, second)| {
                let age = |text: &str| text.trim().parse().ok().filter(|age: &f64| age.is_finite());
                Some([age(first)?, age(second)?])
            });
            let ages = ages.ok_or_else(|| {
                D::Error::custom(format!(
                    "factor_ages: `{text}` is not two numbers, like `30,-1`"
                ))
            })?;
            Ok(Some(ages))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<TokenRequest, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn what_is_not_said_is_an_oauth_access_token_of_no_more_than_the_user() {
        let request = read(r#"{"user": "ada"}"#).unwrap();
        assert_eq!(request.user.as_deref(), Some("ada"));
        assert_eq!(request.kind, TokenKind::Oauth);
        assert_eq!(
            (request.org, request.scopes, request.aud),
            (None, None, None)
        );
        assert!(request.machine.is_none() && request.format.is_none() && request.claims.is_none());
    }

    #[test]
    fn kinds_are_named_as_they_are_shown() {
        for kind in [
            TokenKind::Oauth,
            TokenKind::Session,
            TokenKind::SessionV1,
            TokenKind::M2m,
            TokenKind::ApiKey,
        ] {
            let request = read(&format!(r#"{{"user": "ada", "kind": "{kind}"}}"#)).unwrap();
            assert_eq!(request.kind, kind);
        }
        assert!(read(r#"{"user": "ada", "kind": "id_token"}"#).is_err());
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
    fn claims_are_an_object_or_the_text_of_one() {
        let object = read(r#"{"machine": "billing", "claims": {"a": 1}}"#).unwrap();
        let text = read(r#"{"machine": "billing", "claims": "{\"a\": 1}"}"#).unwrap();
        assert_eq!(object.claims, text.claims);
        assert_eq!(object.claims, Some(serde_json::json!({"a": 1})));
        assert!(read(r#"{"machine": "billing", "claims": "{"}"#).is_err());
    }

    #[test]
    fn features_plans_and_ages_are_a_list_or_a_text_with_commas() {
        let text = read(
            r#"{"user": "ada", "features": "org:a, b", "plans": "pro", "factor_ages": "30,-1"}"#,
        );
        let list = read(
            r#"{"user": "ada", "features": ["org:a", "b"], "plans": ["pro"], "factor_ages": [30, -1]}"#,
        );
        let (text, list) = (text.unwrap(), list.unwrap());
        assert_eq!((&text.features, &text.plans), (&list.features, &list.plans));
        assert_eq!(text.factor_ages, Some([30.0, -1.0]));
        assert_eq!(text.factor_ages, list.factor_ages);
        for wrong in ["30", "30,never", "1,2,3", "NaN,1", ""] {
            let error = read(&format!(r#"{{"factor_ages": "{wrong}"}}"#)).unwrap_err();
            assert!(error.to_string().contains("like `30,-1`"), "{error}");
        }
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
