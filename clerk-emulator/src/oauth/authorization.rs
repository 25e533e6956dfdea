//! Checks of an authorization request, and the grant that a person gives.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::directory::Directory;
use crate::oauth::check_known_scopes;
use crate::oauth::client::Client;
use crate::oauth::error::{Code, OAuthError};
use crate::oauth::fields::Fields;
use crate::oauth::redirect::Redirect;
use crate::scope;
use crate::settings::Settings;

/// An authorization request that passed all checks and can be shown to a person (RFC 6749 §4.1.1).
pub(crate) struct Authorization {
    pub(crate) client: Client,
    pub(crate) redirect: Redirect,
    pub(crate) scopes: Vec<String>,
    /// RFC 8707: the resources for which the client will use the token, as the client wrote them.
    pub(crate) resources: Vec<String>,
    /// The code challenge by `S256` (RFC 7636 §4.3).
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    /// Whether the emulator must not show a page (OpenID Connect Core §3.1.2.1).
    pub(crate) is_silent: bool,
}

impl Authorization {
    /// Checks a request whose redirect URI is already known to belong to the client.
    ///
    /// # Errors
    /// - The error, and the redirect that takes the error to the client.
    pub(crate) fn check(
        fields: &Fields,
        client: Client,
        redirect: Redirect,
        settings: &Settings,
        directory: &Directory,
    ) -> Result<Self, (OAuthError, Redirect)> {
        let checked = (|| {
            check_response(fields)?;
            let challenge = challenge(fields, &client)?;
            check_state(fields, challenge.is_some())?;
            Ok((
                challenge,
                scopes(fields, &client, settings, directory)?,
                resources(fields)?,
                fields.one("nonce")?.map(String::from),
                is_silent(fields)?,
            ))
        })();
        match checked {
            Ok((challenge, scopes, resources, nonce, is_silent)) => Ok(Self {
                client,
                redirect,
                scopes,
                resources,
                challenge,
                nonce,
                is_silent,
            }),
            Err(error) => Err((error, redirect)),
        }
    }

    pub(crate) fn asks_organization(&self) -> bool {
        self.scopes.iter().any(|scope| scope == scope::ORGANIZATION)
    }
}

/// A person's consent to a client. It outlives the authorization code. Every token of the client belongs to a grant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// The resources that the client requested with `resource`. A token request can request only these resources.
    pub(crate) resources: Vec<String>,
    /// The requested resources that can become the audience of this grant's tokens: the resources that were registered
    /// MCP servers at the time of the grant. Empty if the audience claim was off at that time. State files of earlier
    /// versions lack this member.
    #[serde(default)]
    pub(crate) audience: Vec<String>,
    pub(crate) nonce: Option<String>,
}

fn check_response(fields: &Fields) -> Result<(), OAuthError> {
    if fields.required("response_type")? != "code" {
        let text = "response_type must be code";
        return Err(OAuthError::new(Code::UnsupportedResponseType, text));
    }
    match fields.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(invalid_request("response_mode must be query")),
    }
}

/// RFC 7636: only `S256` is accepted. Only a client with a secret may leave out the challenge.
fn challenge(fields: &Fields, client: &Client) -> Result<Option<String>, OAuthError> {
    let (challenge, method) = (
        fields.one("code_challenge")?,
        fields.one("code_challenge_method")?,
    );
    match (challenge, method) {
        (None, None) if client.secret.is_some() => Ok(None),
        (None, _) => Err(OAuthError::missing("code_challenge")),
        (Some(challenge), Some("S256")) => {
            if challenge.len() == 43 && challenge.bytes().all(is_base64url) {
                Ok(Some(String::from(challenge)))
            } else {
                let text = "code_challenge is not a SHA-256 in base64url";
                Err(invalid_request(text))
            }
        }
        // RFC 7636 section 4.3: a challenge without a method would mean `plain`.
        (Some(_), _) => Err(invalid_request("code_challenge_method must be S256")),
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// At Clerk a state has at least 8 characters. Only a request with PKCE may leave out the state.
fn check_state(fields: &Fields, has_challenge: bool) -> Result<(), OAuthError> {
    match fields.one("state")? {
        None if has_challenge => Ok(()),
        Some(state) if state.chars().count() >= MIN_STATE => Ok(()),
        _ => Err(invalid_request("state must have at least 8 characters")),
    }
}

/// The scopes that the client requests. If it requests no scope, it gets the scopes of its
/// registration or document, or else the default scopes.
fn scopes(
    fields: &Fields,
    client: &Client,
    settings: &Settings,
    directory: &Directory,
) -> Result<Vec<String>, OAuthError> {
    let limit = ScopeLimit::of(client, settings);
    let mut scopes = match fields.one("scope")? {
        Some(text) => {
            let scopes = scope::parse(text);
            check_known_scopes(&scopes, directory)?;
            limit.check(&scopes)?;
            scopes
        }
        // The client did not request these scopes. A scope beyond the client's limit is therefore dropped instead of
        // refused.
        None => {
            let by_default = || settings.scopes_by_default();
            let mut scopes = client.scopes.clone().unwrap_or_else(by_default);
            check_known_scopes(&scopes, directory)?;
            scopes.retain(|scope| limit.allows(scope));
            scopes
        }
    };
    // At Clerk a client with a document always gets this scope.
    if client.has_document() {
        scope::add(&mut scopes, scope::OFFLINE_ACCESS);
    }
    Ok(scopes)
}

/// The scopes that a client may request, and the name of this list in error descriptions. Without a
/// list the client has no limit.
struct ScopeLimit {
    name: &'static str,
    scopes: Option<Vec<String>>,
}

impl ScopeLimit {
    fn of(client: &Client, settings: &Settings) -> Self {
        let (name, scopes) = if client.has_document() {
            let mut scopes = settings.client_document_scopes.clone();
            if let Some(scopes) = &mut scopes {
                scope::add(scopes, scope::OFFLINE_ACCESS);
            }
            ("the scopes for CIMD clients", scopes)
        } else if !settings.registered_scopes_only {
            ("", None)
        } else if let Some(registered) = &client.scopes {
            ("the scopes it registered with", Some(registered.clone()))
        } else {
            ("the default scopes", Some(settings.scopes_by_default()))
        };
        Self { name, scopes }
    }

    fn allows(&self, scope: &String) -> bool {
        self.scopes
            .as_ref()
            .is_none_or(|scopes| scopes.contains(scope))
    }

    fn check(&self, scopes: &[String]) -> Result<(), OAuthError> {
        let Some(refused) = scopes.iter().find(|scope| !self.allows(scope)) else {
            return Ok(());
        };
        let allowed = self.scopes.as_deref().unwrap_or_default().join(" ");
        let text = format!(
            "the client may not request the scope {refused}: it is not among {} ({allowed})",
            self.name
        );
        Err(OAuthError::new(Code::InvalidScope, text))
    }
}

/// The resources of a request: absolute URIs without a fragment (RFC 8707 §2). The resources are
/// not normalised, because audiences are compared byte for byte.
pub(crate) fn resources(fields: &Fields) -> Result<Vec<String>, OAuthError> {
    let mut resources: Vec<String> = Vec::new();
    for resource in fields.all("resource") {
        if Url::parse(resource).is_err() || resource.contains('#') {
            let text = "resource must be an absolute URI without a fragment";
            return Err(OAuthError::new(Code::InvalidTarget, text));
        }
        if !resources.iter().any(|known| known == resource) {
            resources.push(String::from(resource));
        }
    }
    Ok(resources)
}

/// Whether `prompt` is `none`. The other values have no effect, because the sign-in page is always
/// shown.
fn is_silent(fields: &Fields) -> Result<bool, OAuthError> {
    let prompts: Vec<_> = fields
        .one("prompt")?
        .map(|prompt| prompt.split_whitespace().collect())
        .unwrap_or_default();
    match prompts.as_slice() {
        ["none"] => Ok(true),
        prompts
            if prompts
                .iter()
                .all(|prompt| matches!(*prompt, "login" | "consent" | "select_account")) =>
        {
            Ok(false)
        }
        _ => Err(invalid_request(
            "prompt must be none, or some of login, consent and select_account",
        )),
    }
}

fn invalid_request(description: &str) -> OAuthError {
    OAuthError::new(Code::InvalidRequest, description)
}

const MIN_STATE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "https://app.example.com/c";

    fn client(id: &str, scopes: Option<&str>) -> Client {
        Client {
            id: String::from(id),
            name: String::from("c"),
            redirect_uris: Vec::new(),
            scopes: scopes.map(scope::parse),
            secret: None,
        }
    }

    /// The scopes that the client gets for `query`, or the description of the error
    /// `invalid_scope`.
    fn requested(client: &Client, query: &str, settings: &Settings) -> Result<String, String> {
        let mut directory = Directory::default();
        directory.add_scopes(&["documents:write"]);
        let fields = Fields::parse(query.as_bytes());
        match scopes(&fields, client, settings, &directory) {
            Ok(scopes) => Ok(scopes.join(" ")),
            Err(error) => {
                assert_eq!(error.code, Code::InvalidScope);
                Err(error.description)
            }
        }
    }

    #[test]
    fn a_registered_client_is_limited_to_its_scopes_or_the_default_scopes_unless_that_is_off() {
        for (scopes, query, refused) in [
            (Some("email documents:write"), "scope=documents:write", None),
            (Some("email"), "scope=email", None),
            (
                Some("email"),
                "scope=email+documents:write",
                Some("the scopes it registered with (email)"),
            ),
            (None, "scope=profile+email", None),
            (
                None,
                "scope=openid",
                Some("the default scopes (profile email)"),
            ),
        ] {
            let (client, mut settings) = (client("c", scopes), Settings::default());
            let granted = requested(&client, query, &settings);
            match refused {
                None => assert!(granted.is_ok(), "{query}: {granted:?}"),
                Some(list) => {
                    let text = granted.unwrap_err();
                    let scope = query.rsplit(['=', '+']).next().unwrap();
                    let expected = format!(
                        "the client may not request the scope {scope}: it is not among {list}"
                    );
                    assert_eq!(text, expected);
                }
            }
            settings.registered_scopes_only = false;
            assert!(requested(&client, query, &settings).is_ok(), "{query}");
        }
    }

    #[test]
    fn the_default_scopes_limit_a_client_that_registered_without_scopes() {
        let settings = Settings {
            default_scopes: Some(scope::parse("profile documents:write")),
            ..Settings::default()
        };
        let client = client("c", None);
        let all = Ok(String::from("profile documents:write"));
        assert_eq!(requested(&client, "", &settings), all);
        assert_eq!(
            requested(&client, "scope=profile+documents:write", &settings),
            all
        );
        let text = requested(&client, "scope=email", &settings).unwrap_err();
        assert!(
            text.ends_with("the default scopes (profile documents:write)"),
            "{text}"
        );
    }

    #[test]
    fn a_document_client_may_request_every_scope_unless_the_instance_limits_it() {
        let mut settings = Settings::default();
        // The scopes in the client's document do not limit it.
        let client = client(DOCUMENT, Some("email"));
        let wide = "scope=profile+documents:write";
        let granted = Ok(String::from("profile documents:write offline_access"));
        assert_eq!(requested(&client, wide, &settings), granted);

        settings.client_document_scopes = Some(scope::parse("openid profile"));
        let text = requested(&client, wide, &settings).unwrap_err();
        assert_eq!(
            text,
            "the client may not request the scope documents:write: it is not among the scopes for CIMD \
             clients (openid profile offline_access)"
        );
        // The scopes in the client's document do not extend the instance's list either.
        assert!(requested(&client, "scope=email", &settings).is_err());
        let granted = Ok(String::from("offline_access profile"));
        assert_eq!(
            requested(&client, "scope=offline_access+profile", &settings),
            granted
        );
    }

    #[test]
    fn a_document_client_that_requests_no_scope_gets_its_own_or_the_default_within_the_limit() {
        let mut settings = Settings::default();
        let (plain, named) = (
            client(DOCUMENT, None),
            client(DOCUMENT, Some("openid email")),
        );
        let scopes = |client, settings: &Settings| requested(client, "", settings).unwrap();
        assert_eq!(scopes(&plain, &settings), "profile email offline_access");
        assert_eq!(scopes(&named, &settings), "openid email offline_access");
        settings.default_scopes = Some(scope::parse("email documents:write"));
        settings.client_document_scopes = Some(scope::parse("openid documents:write"));
        assert_eq!(scopes(&plain, &settings), "documents:write offline_access");
        assert_eq!(scopes(&named, &settings), "openid offline_access");
    }

    #[test]
    fn a_scope_that_the_instance_lacks_is_refused_even_if_a_list_has_it() {
        let settings = Settings {
            default_scopes: Some(scope::parse("profile documents:read")),
            ..Settings::default()
        };
        for query in ["", "scope=documents:read"] {
            let text = requested(&client("c", None), query, &settings).unwrap_err();
            assert!(
                text.starts_with("there is no scope documents:read"),
                "{text}"
            );
        }
    }
}
