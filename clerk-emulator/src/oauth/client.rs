//! OAuth clients: their registration, and their authentication at the token endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::digest::Digest;
use crate::directory::Directory;
use crate::keys::random_hex;
use crate::oauth::error::{Code, OAuthError};
use crate::oauth::{check_known_scopes, new_secret, redirect};
use crate::scope;

/// An OAuth client of the instance.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// The name that the client gives itself. If it gives no name, the id of the client.
    pub(crate) name: String,
    pub(crate) redirect_uris: Vec<String>,
    /// The scopes of the client's registration or document. `None` means the default scopes. The client gets these
    /// scopes if it requests no scope. The settings decide whether these scopes also limit the client.
    pub(crate) scopes: Option<Vec<String>>,
    /// The digest of the secret of a confidential client. `None` for a public client.
    pub(crate) secret: Option<Digest>,
}

impl Client {
    /// Whether the client's id is the URL of its metadata document.
    pub(crate) fn has_document(&self) -> bool {
        is_document_url(&self.id)
    }
}

/// Returns true if a client's id is the URL of a metadata document.
pub(crate) fn is_document_url(client_id: &str) -> bool {
    client_id.starts_with("https://") || client_id.starts_with("http://")
}

/// The id and the secret that a client presents at the token endpoint.
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    pub(crate) secret: Option<String>,
}

impl Credentials {
    /// Reads the header `Authorization`. `None` if the header is not `Basic` with id and secret. A client form-encodes
    /// the id and the secret before it joins them.
    ///
    /// Source: RFC 6749 §2.3.1.
    pub(crate) fn from_basic(header: &str) -> Option<Self> {
        let (scheme, value) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        // Escape `=` and `&`, so that the form parser reads the text as one name without a value.
        let decode = |text: &str| {
            let text = text.replace('&', "%26").replace('=', "%3D");
            let mut pairs = form_urlencoded::parse(text.as_bytes());
            pairs.next().map(|(name, _)| name.into_owned())
        };
        Some(Self {
            client_id: decode(id)?,
            secret: decode(secret),
        })
    }

    /// Returns true if the credentials authenticate `client`. A confidential client must present its secret. A public
    /// client must not present a secret.
    pub(crate) fn authenticate(&self, client: &Client) -> bool {
        match (&client.secret, &self.secret) {
            (Some(digest), Some(secret)) => digest.is_of(secret),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// The metadata of a client (RFC 7591 §2), sent to the registration endpoint or read from its
/// document. Unknown members are ignored (RFC 7591 §3.1), because every MCP client sends unknown
/// members.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) client_id: Option<String>,
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    scope: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_secret: Option<Value>,
}

impl Metadata {
    /// Registers a client with a new id. A client that is not public also gets a new secret. Returns the client and the
    /// response.
    ///
    /// Source: RFC 7591 §3.2, Clerk's `POST /oauth/register`.
    pub(crate) fn register(
        self,
        directory: &Directory,
        default_scopes: &[String],
        now: u64,
    ) -> Result<(Client, Value), OAuthError> {
        let (redirect_uris, scopes) = self.checked(directory)?;
        let method = self
            .token_endpoint_auth_method
            .unwrap_or_else(|| String::from("client_secret_basic"));
        let secret = match method.as_str() {
            "none" => None,
            "client_secret_basic" | "client_secret_post" => Some(new_secret("")?),
            _ => return Err(invalid("token_endpoint_auth_method is not supported")),
        };
        let id = random_hex::<14>().map_err(|_| OAuthError::server_error())?;
        let id = format!("client_{id}");
        let client = Client {
            name: self.client_name.unwrap_or_else(|| id.clone()),
            redirect_uris,
            scopes,
            secret: secret.as_deref().map(Digest::of),
            id,
        };
        let mut answer = json!({
            "client_id": client.id,
            "client_id_issued_at": now,
            "client_secret_expires_at": 0,
            "client_name": client.name,
            "redirect_uris": client.redirect_uris,
            "grant_types": GRANT_TYPES,
            "response_types": ["code"],
            "scope": client.scopes.as_deref().unwrap_or(default_scopes).join(" "),
            "token_endpoint_auth_method": method,
        });
        let optional = [
            ("client_secret", secret),
            ("client_uri", self.client_uri),
            ("logo_uri", self.logo_uri),
        ];
        if let Some(members) = answer.as_object_mut() {
            for (name, value) in optional {
                if let Some(value) = value {
                    members.insert(String::from(name), Value::String(value));
                }
            }
        }
        Ok((client, answer))
    }

    /// The client of a metadata document, which is always public.
    ///
    /// Source: draft-ietf-oauth-client-id-metadata-document §4, and Clerk's requirements,
    /// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/client-id-metadata-documents>.
    pub(crate) fn into_document_client(
        self,
        url: &str,
        directory: &Directory,
    ) -> Result<Client, OAuthError> {
        if self.client_id.as_deref() != Some(url) {
            return Err(invalid(
                "client_id of the document is not the URL of the document",
            ));
        }
        let is_public = self
            .token_endpoint_auth_method
            .as_deref()
            .is_none_or(|method| method == "none");
        if !is_public || self.client_secret.is_some() {
            return Err(invalid(
                "a client with a document is public: it cannot have a secret",
            ));
        }
        let (redirect_uris, scopes) = self.checked(directory)?;
        let name = self
            .client_name
            .ok_or_else(|| invalid("client_name is missing"))?;
        Ok(Client {
            id: String::from(url),
            name,
            redirect_uris,
            scopes,
            secret: None,
        })
    }

    /// Makes the checks that apply to every client. Returns the client's redirect URIs and scopes.
    fn checked(
        &self,
        directory: &Directory,
    ) -> Result<(Vec<String>, Option<Vec<String>>), OAuthError> {
        let redirect_uris = self.redirect_uris.clone().unwrap_or_default();
        if redirect_uris.is_empty() || redirect_uris.len() > MAX_REDIRECT_URIS {
            let text = format!("redirect_uris must have from 1 to {MAX_REDIRECT_URIS} members");
            return Err(OAuthError::new(Code::InvalidRedirectUri, text));
        }
        let acceptable = |uri: &String| uri.len() <= MAX_TEXT && redirect::is_acceptable(uri);
        if let Some(uri) = redirect_uris.iter().find(|uri| !acceptable(uri)) {
            let text = format!(
                "{uri} cannot be a redirect URI: use https, http on this machine, or a scheme of an application"
            );
            return Err(OAuthError::new(Code::InvalidRedirectUri, text));
        }
        let too_long = |text: &Option<String>, max| text.as_ref().is_some_and(|it| it.len() > max);
        for (name, text, max) in [
            ("client_name", &self.client_name, MAX_NAME),
            ("client_uri", &self.client_uri, MAX_TEXT),
            ("logo_uri", &self.logo_uri, MAX_TEXT),
            ("scope", &self.scope, MAX_TEXT),
        ] {
            if too_long(text, max) {
                return Err(invalid(&format!("{name} is longer than {max} bytes")));
            }
        }
        let lacks = |list: &Option<Vec<String>>, value: &str| {
            list.as_ref()
                .is_some_and(|list| !list.iter().any(|it| it == value))
        };
        if lacks(&self.grant_types, "authorization_code") || lacks(&self.response_types, "code") {
            return Err(invalid(
                "grant_types must contain authorization_code, and response_types code",
            ));
        }
        let scopes = self.scope.as_deref().map(scope::parse);
        let scopes = scopes.filter(|scopes| !scopes.is_empty());
        if let Some(scopes) = &scopes {
            check_known_scopes(scopes, directory).map_err(|error| invalid(&error.description))?;
        }
        Ok((redirect_uris, scopes))
    }
}

fn invalid(description: &str) -> OAuthError {
    OAuthError::new(Code::InvalidClientMetadata, description)
}

/// The grant types of every client, regardless of its request. RFC 7591 §2 lets the server decide.
const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];
/// The maximal lengths that Clerk's schema allows.
const MAX_NAME: usize = 256;
const MAX_TEXT: usize = 1024;
const MAX_REDIRECT_URIS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(metadata: Value) -> (Code, String) {
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        let error = metadata
            .register(&Directory::default(), &[], 1)
            .unwrap_err();
        (error.code, error.description)
    }

    #[test]
    fn invalid_metadata_is_refused_with_the_name_of_the_member() {
        let redirect_uris = json!(["http://127.0.0.1/cb"]);
        for metadata in [
            json!({}),
            json!({"redirect_uris": []}),
            json!({"redirect_uris": ["http://evil.example/"]}),
            json!({"redirect_uris": vec!["http://127.0.0.1/cb"; 33]}),
        ] {
            assert_eq!(refused(metadata).0, Code::InvalidRedirectUri);
        }
        for (metadata, text) in [
            (
                json!({"token_endpoint_auth_method": "private_key_jwt"}),
                "token_endpoint_auth_method",
            ),
            (
                json!({"client_name": "x".repeat(257)}),
                "client_name is longer than 256",
            ),
            (
                json!({"logo_uri": "x".repeat(1025)}),
                "logo_uri is longer than 1024",
            ),
            (
                json!({"grant_types": ["client_credentials"]}),
                "grant_types must contain authorization_code",
            ),
            (
                json!({"response_types": ["token"]}),
                "and response_types code",
            ),
            (
                json!({"scope": "email no:such"}),
                "there is no scope no:such",
            ),
        ] {
            let mut metadata = metadata;
            metadata["redirect_uris"] = redirect_uris.clone();
            let (code, description) = refused(metadata);
            assert_eq!(code, Code::InvalidClientMetadata);
            assert!(description.contains(text), "{description}");
        }
    }

    #[test]
    fn a_document_must_name_its_own_url_and_hold_no_secret() {
        let url = "https://app.example.com/client.json";
        let document = |change: Value| {
            let mut metadata = json!({
                "client_id": url,
                "client_name": "App",
                "redirect_uris": ["http://localhost/cb"],
                "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"],
                "jwks_uri": "https://app.example.com/jwks",
            });
            for (name, value) in change.as_object().unwrap() {
                metadata[name] = value.clone();
            }
            let metadata: Metadata = serde_json::from_value(metadata).unwrap();
            metadata.into_document_client(url, &Directory::default())
        };
        let client = document(json!({})).unwrap();
        assert_eq!((client.id.as_str(), client.name.as_str()), (url, "App"));
        assert!(client.secret.is_none() && client.has_document());
        for change in [
            json!({"client_id": "https://app.example.com/client.json/"}),
            json!({"client_id": null}),
            json!({"client_secret": "x"}),
            json!({"token_endpoint_auth_method": "client_secret_post"}),
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            json!({"client_name": null}),
            json!({"redirect_uris": null}),
        ] {
            assert!(document(change.clone()).is_err(), "{change}");
        }
    }

    #[test]
    fn a_confidential_client_must_present_its_secret_and_a_public_client_none() {
        let client = |secret: Option<&str>| Client {
            id: String::from("c"),
            name: String::from("c"),
            redirect_uris: Vec::new(),
            scopes: None,
            secret: secret.map(Digest::of),
        };
        let sent = |secret: Option<&str>| Credentials {
            client_id: String::from("c"),
            secret: secret.map(String::from),
        };
        assert!(sent(None).authenticate(&client(None)));
        assert!(sent(Some("s")).authenticate(&client(Some("s"))));
        for (has, sends) in [(None, Some("")), (Some("s"), None), (Some("s"), Some("t"))] {
            assert!(!sent(sends).authenticate(&client(has)), "{has:?} {sends:?}");
        }
    }

    #[test]
    fn basic_credentials_are_base64_decoded_and_form_decoded() {
        let encode = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let read =
            |header: &str| Credentials::from_basic(header).map(|it| (it.client_id, it.secret));
        assert_eq!(
            read(&encode("client%3A1:a%2Bb=&c")),
            Some((String::from("client:1"), Some(String::from("a+b=&c"))))
        );
        assert_eq!(
            read(&encode("client:")),
            Some((String::from("client"), None))
        );
        for header in [
            encode("client"),
            encode(":x"),
            String::from("Basic ???"),
            String::from("Bearer x"),
        ] {
            assert_eq!(read(&header), None, "{header}");
        }
    }
}
