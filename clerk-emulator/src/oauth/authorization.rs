//! What a client asks the authorization endpoint for, checked.

use serde::Deserialize;
use serde::Serialize;
use url::Url;

use crate::directory::Directory;
use crate::oauth::client::Client;
use crate::oauth::error::Code;
use crate::oauth::error::OAuthError;
use crate::oauth::fields::Fields;
use crate::oauth::redirect::Redirect;
use crate::oauth::scope;
use crate::settings::Settings;

/// A request that can be put before a person (RFC 6749 §4.1.1).
pub(crate) struct Authorization {
    pub(crate) client: Client,
    pub(crate) redirect: Redirect,
    pub(crate) scopes: Vec<String>,
    /// RFC 8707: what the token is to be used at, as the client wrote it.
    pub(crate) resources: Vec<String>,
    /// RFC 7636 §4.3, by `S256`.
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    /// Whether no page may be shown (OpenID Connect Core §3.1.2.1).
    pub(crate) is_silent: bool,
}

impl Authorization {
    /// Checks what is asked for of a client whose redirect URI is known to be its own.
    ///
    /// # Errors
    /// The error and where it is to be sent.
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
                if settings.resource_indicators {
                    resources(fields)?
                } else {
                    Vec::new()
                },
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

/// What a person allowed a client: it outlives the code and is behind every token of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) nonce: Option<String>,
}

fn check_response(fields: &Fields) -> Result<(), OAuthError> {
    if fields.required("response_type")? != "code" {
        let text = "response_type is code";
        return Err(OAuthError::new(Code::UnsupportedResponseType, text));
    }
    match fields.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(invalid_request("response_mode is query")),
    }
}

/// RFC 7636: `S256` and nothing else; only a client with a secret may do without.
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
                Err(invalid_request("code_challenge is no SHA-256 in base64url"))
            }
        }
        // RFC 7636 section 4.3: without a method it would be `plain`.
        (Some(_), _) => Err(invalid_request("code_challenge_method is S256")),
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Clerk: at least 8 characters, and it may be left out only with PKCE.
fn check_state(fields: &Fields, has_challenge: bool) -> Result<(), OAuthError> {
    match fields.one("state")? {
        None if has_challenge => Ok(()),
        Some(state) if state.chars().count() >= MIN_STATE => Ok(()),
        _ => Err(invalid_request("state has at least 8 characters")),
    }
}

/// The scopes asked for; without any the client's, or the instance's default.
fn scopes(
    fields: &Fields,
    client: &Client,
    settings: &Settings,
    directory: &Directory,
) -> Result<Vec<String>, OAuthError> {
    let mut scopes = match fields.one("scope")? {
        Some(text) => scope::parse(text),
        None => client
            .scopes
            .clone()
            .unwrap_or_else(|| settings.scopes_by_default()),
    };
    scope::check_known(&scopes, directory)?;
    if settings.registered_scopes_only && !client.has_document() {
        let by_default = || settings.scopes_by_default();
        let registered = client.scopes.clone().unwrap_or_else(by_default);
        if let Some(wider) = scopes.iter().find(|scope| !registered.contains(scope)) {
            let text = format!("the client registered without the scope {wider}");
            return Err(OAuthError::new(Code::InvalidScope, text));
        }
    }
    // Clerk: such a client always has it.
    if client.has_document() {
        scope::add(&mut scopes, scope::OFFLINE_ACCESS);
    }
    Ok(scopes)
}

/// RFC 8707 §2: absolute URIs without a fragment. Kept as sent, as audiences are compared byte for byte.
pub(crate) fn resources(fields: &Fields) -> Result<Vec<String>, OAuthError> {
    let mut resources: Vec<String> = Vec::new();
    for resource in fields.all("resource") {
        if Url::parse(resource).is_err() || resource.contains('#') {
            let text = "resource is an absolute URI without a fragment";
            return Err(OAuthError::new(Code::InvalidTarget, text));
        }
        if !resources.iter().any(|known| known == resource) {
            resources.push(String::from(resource));
        }
    }
    Ok(resources)
}

/// `login` and `consent` ask for what is done anyway.
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
            "prompt is none, or any of login and consent",
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

    #[test]
    fn a_client_is_held_to_the_scopes_it_registered_with_where_settings_say_so() {
        let mut directory = Directory::default();
        directory.add_scopes(&["documents:write"]);
        let client = |id: &str, scopes: Option<&str>| Client {
            id: String::from(id),
            name: String::from("c"),
            redirect_uris: Vec::new(),
            scopes: scopes.map(scope::parse),
            secret: None,
        };
        let url = "https://app.example.com/c";
        for (client, asked, refused) in [
            (
                client("c", Some("email documents:write")),
                "documents:write",
                false,
            ),
            (client("c", Some("email")), "email documents:write", true),
            (client("c", None), "profile email", false),
            (client("c", None), "documents:write", true),
            (client(url, Some("email")), "documents:write", false),
        ] {
            let fields = Fields::parse(format!("scope={asked}").as_bytes());
            for only in [false, true] {
                let settings = Settings {
                    registered_scopes_only: only,
                    ..Settings::default()
                };
                let granted = scopes(&fields, &client, &settings, &directory);
                match granted {
                    Ok(scopes) => {
                        assert!(!(only && refused), "{asked}");
                        let asked = scope::parse(asked);
                        assert!(asked.iter().all(|scope| scopes.contains(scope)));
                    }
                    Err(error) => {
                        assert!(only && refused, "{asked}: {error:?}");
                        assert_eq!(error.code, Code::InvalidScope);
                        assert!(
                            error
                                .description
                                .ends_with("without the scope documents:write")
                        );
                    }
                }
            }
        }
    }
}
