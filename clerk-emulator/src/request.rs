//! Requests for tokens: built in code, or read from the body of `POST /dev/tokens` or the query of
//! `GET /dev/token`.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A request for a token. If a field does not apply to the kind of token, minting the token fails.
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
    /// The user for whom the token is minted: a username or an id.
    pub user: Option<String>,
    /// The organization for which the token is minted: a slug or an id. The user must be a member. An API key has
    /// either a user or an organization.
    pub org: Option<String>,
    /// The machine for which the token is minted, M2M only: a name or an id.
    pub machine: Option<String>,
    /// The kind of token. The default is `oauth`.
    #[serde(default)]
    pub kind: TokenKind,
    /// The format of an OAuth access token or an M2M token. By default an OAuth access token has
    /// the format of the settings, which is JWT unless changed, and an M2M token is opaque.
    pub format: Option<TokenFormat>,
    /// The granted scopes. In JSON they are a list, or a text with spaces between the scopes.
    ///
    /// - OAuth access token: by default `profile email`. With an organization `user:org:read` is
    ///   always added.
    /// - API key: no scopes by default.
    /// - M2M token: the machines that may accept the token, by name or id. By default all machines
    ///   that the requesting machine may talk to.
    #[serde(default, deserialize_with = "scopes")]
    pub scopes: Option<Vec<String>>,
    /// The claim `aud`. By default the token has no `aud`, like most of Clerk's tokens.
    pub aud: Option<Audience>,
    /// Custom claims, for M2M tokens and API keys only. In JSON they are an object, in a query the
    /// text of an object.
    #[serde(default, deserialize_with = "claims")]
    pub claims: Option<Value>,
    /// The seconds until the token expires. By default a day (OAuth), an hour (M2M), a minute
    /// (session) or never (API key). With zero or a negative number the token has already expired,
    /// and its time of issue is one lifetime before its expiry.
    pub expires_in: Option<i64>,
    /// The id of the OAuth client, for OAuth tokens only. The default is `client_emulator`.
    pub client_id: Option<String>,
    /// The id of the person who acts in the user's name (the claim `act`), OAuth and session only.
    /// By default the token has no actor.
    pub actor: Option<String>,
    /// The origin that requested the token, session only. The default is
    /// [`Settings::session_origin`](crate::Settings::session_origin), or `http://localhost:3000` if this setting is
    /// `None`.
    pub azp: Option<String>,
    /// Features that are added to the features of the permissions and of the directory, session only. A feature is
    /// written `org:export`, `user:export`, or `export` for both owners, or in Clerk's form `o:export`, `u:export` or
    /// `ou:export`. In JSON the features are a list, or a text with commas between the features.
    #[serde(default, deserialize_with = "slugs")]
    pub features: Vec<String>,
    /// The plans, session only, written like the features. The default is the plans of the directory, and `free` for a
    /// user or organization without a plan.
    #[serde(default, deserialize_with = "slugs")]
    pub plans: Vec<String>,
    /// The minutes since the first and the second factor were verified, session only. -1 means never. The default is
    /// `[0, -1]`. A query contains the minutes as `30,-1`.
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

    /// An opaque machine-to-machine token for `machine`, a name or an id.
    pub fn m2m(machine: impl Into<String>) -> Self {
        Self {
            machine: Some(machine.into()),
            ..Self::with_kind(TokenKind::M2m)
        }
    }

    /// An API key for `user`, a username or an id.
    pub fn api_key(user: impl Into<String>) -> Self {
        Self::new(user.into(), TokenKind::ApiKey)
    }

    /// An API key for the organization `org` itself, a slug or an id.
    pub fn org_api_key(org: impl Into<String>) -> Self {
        Self::with_kind(TokenKind::ApiKey).org(org)
    }

    fn new(user: String, kind: TokenKind) -> Self {
        Self {
            user: Some(user),
            ..Self::with_kind(kind)
        }
    }

    fn with_kind(kind: TokenKind) -> Self {
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

    /// Sets the organization, a slug or an id. The user must be a member.
    #[must_use]
    pub fn org(mut self, org: impl Into<String>) -> Self {
        self.org = Some(org.into());
        self
    }

    /// Requests a JWT. Only for OAuth and M2M tokens.
    #[must_use]
    pub fn jwt(mut self) -> Self {
        self.format = Some(TokenFormat::Jwt);
        self
    }

    /// Requests an opaque token. A session token cannot be opaque.
    #[must_use]
    pub fn opaque(mut self) -> Self {
        self.format = Some(TokenFormat::Opaque);
        self
    }

    /// Sets the scopes, instead of the default of the kind. Session tokens have no scopes. A scope
    /// cannot contain white space.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the audience: a text, or a list of texts.
    #[must_use]
    pub fn aud(mut self, aud: impl Into<Audience>) -> Self {
        self.aud = Some(aud.into());
        self
    }

    /// Sets custom claims, a JSON object. Only for M2M tokens and API keys.
    #[must_use]
    pub fn claims(mut self, claims: impl Into<Value>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// Sets the lifetime in seconds. With zero or a negative number the token has already expired.
    #[must_use]
    pub fn expires_in(mut self, seconds: i64) -> Self {
        self.expires_in = Some(seconds);
        self
    }

    /// Sets the OAuth client to which the token is issued. Only for OAuth tokens.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Sets the person who acts in the user's name, by id. Only for OAuth and session tokens.
    #[must_use]
    pub fn actor(mut self, id: impl Into<String>) -> Self {
        self.actor = Some(id.into());
        self
    }

    /// Sets the origin of the page to which the token is issued. Only for session tokens.
    #[must_use]
    pub fn azp(mut self, azp: impl Into<String>) -> Self {
        self.azp = Some(azp.into());
        self
    }

    /// Adds a feature to the features of the permissions and of the directory: `org:export`, `user:export`, or `export`
    /// for both owners. Only for session tokens.
    #[must_use]
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.features.push(feature.into());
        self
    }

    /// Adds a plan: `org:pro`, `user:pro`, or `pro` for both owners. Only for session tokens. Plans of the request
    /// replace the plans of the directory.
    #[must_use]
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.plans.push(plan.into());
        self
    }

    /// Sets the minutes since the first and the second factor were verified. -1 means never. Only for session tokens.
    #[must_use]
    pub fn factor_ages(mut self, first: f64, second: f64) -> Self {
        self.factor_ages = Some([first, second]);
        self
    }
}

/// The kinds of tokens that an instance mints.
///
/// ```
/// use clerk_emulator::{TokenKind, TokenRequest};
///
/// assert_eq!(TokenRequest::oauth("ada").kind, TokenKind::default());
/// // The name in `POST /dev/tokens` and `GET /dev/token`:
/// assert_eq!(TokenKind::SessionV1.to_string(), "session_v1");
/// ```
///
/// Source: RFC 9068 §2, <https://clerk.com/docs/guides/sessions/session-tokens>.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// An OAuth access token, which MCP clients present. It has no role and no permissions.
    #[default]
    Oauth,
    /// A session token of version 2. Its permissions are bit-packed.
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

/// The format of a token.
///
/// ```
/// use clerk_emulator::{TokenFormat, TokenRequest};
///
/// assert_eq!(TokenRequest::m2m("billing").jwt().format, Some(TokenFormat::Jwt));
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TokenFormat {
    /// A signed token that can be verified with the public key.
    Jwt,
    /// A random secret that only its issuer can verify.
    Opaque,
}

/// The claim `aud` (RFC 7519 §4.1.3): one resource or a list of resources.
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

/// Reads a JSON object, or a text that contains a JSON object.
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
    #[serde(untagged, expecting = "a list, or a text separated by commas")]
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
    fn the_default_is_an_oauth_access_token_of_the_user_alone() {
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
    fn kinds_are_read_by_the_names_that_are_displayed() {
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
    fn claims_are_an_object_or_the_text_of_an_object() {
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
