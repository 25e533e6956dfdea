//! What an administrator switches on and off: the settings of OAuth applications, and what Clerk does without
//! a switch but other authorization servers do not.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::mint::DEFAULT_SCOPES;

/// The settings of an instance, read whenever they matter.
///
/// The names of the first six are those of Clerk's Backend API. By default clients can register themselves
/// in every way there is, and access tokens are JWTs.
///
/// ```
/// use clerk_emulator::{Directory, Instance};
///
/// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
/// assert!(clerk.settings().oauth_jwt_access_tokens);
/// clerk.change_settings(|settings| {
///     settings.oauth_jwt_access_tokens = false;
///     settings.default_scopes = Some(vec![String::from("profile"), String::from("user:org:read")]);
/// });
/// assert!(!clerk.settings().oauth_jwt_access_tokens);
/// # Ok::<(), clerk_emulator::Error>(())
/// ```
///
/// Source: `GET /v1/instance/oauth_application_settings`, <https://clerk.com/docs/reference/backend-api>.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether clients can register themselves (RFC 7591); on.
    pub dynamic_oauth_client_registration: bool,
    /// What a client gets that asks for no scopes; `None` is Clerk's own `profile email`.
    pub default_scopes: Option<Vec<String>>,
    /// Whether access tokens are JWTs and not opaque; on.
    pub oauth_jwt_access_tokens: bool,
    /// Whether the metadata says that the URL of a document can be a client's id; on.
    pub client_id_metadata_documents_advertised: bool,
    /// Whether such a client must be known already; off.
    pub client_id_metadata_documents_only_allow_pre_registered_clients: bool,
    /// Whether such clients that nobody allowed by hand are refused; off.
    pub client_id_metadata_documents_block_implicitly_allowed_clients: bool,
    /// Whether the answer of the authorization endpoint names the issuer (RFC 9207); off.
    pub authorization_response_iss: bool,
    /// Whether `resource` (RFC 8707) becomes the audience of an access token; on.
    pub resource_indicators: bool,
    /// Whether a client that registered may ask for the scopes that it registered with only, or for the default
    /// ones if it named none; off. On, it meets `invalid_scope` on the way to a wider token, as it does at Clerk,
    /// unless it has registered with all of them.
    pub registered_scopes_only: bool,
    /// Seconds for which an OAuth access token that a client fetches is good; a day.
    pub access_token_lifetime: u32,
    /// Whether a client's document may be on this machine, fetched over `http` even; off.
    pub loopback_client_documents: bool,
    /// Who allows every request of a client whose redirect URI is on this machine, without a page: `ada`, or
    /// `ada/acme` for an organization. `None` asks; for clients that have no browser.
    pub approve_as: Option<String>,
}

impl Settings {
    /// What a client gets that asks for nothing and has registered nothing.
    pub(crate) fn scopes_by_default(&self) -> Vec<String> {
        let clerks = || DEFAULT_SCOPES.map(String::from).to_vec();
        self.default_scopes.clone().unwrap_or_else(clerks)
    }

    /// What Clerk shows of them.
    pub(crate) fn to_clerk(&self) -> Value {
        let mut shown = self.to_map();
        shown.retain(|name, _| CLERKS.contains(&name.as_str()));
        shown.insert(String::from("object"), json!("oauth_application_settings"));
        Value::Object(shown)
    }

    /// Changes those that `changes` names, of which all must be Clerk's own.
    pub(crate) fn patch_clerks(
        &mut self,
        changes: Map<String, Value>,
    ) -> Result<(), serde_json::Error> {
        if let Some(name) = changes.keys().find(|name| !CLERKS.contains(&name.as_str())) {
            return Err(serde::de::Error::unknown_field(name, &CLERKS));
        }
        self.patch(changes)
    }

    /// Changes those that `changes` names: all of them or, on an error, none.
    pub(crate) fn patch(&mut self, changes: Map<String, Value>) -> Result<(), serde_json::Error> {
        let mut all = self.to_map();
        // Clerk: `null` resets the default scopes, and changes no switch.
        all.extend(changes.into_iter().filter(|(name, value)| {
            !value.is_null() || matches!(name.as_str(), "default_scopes" | "approve_as")
        }));
        *self = serde_json::from_value(Value::Object(all))?;
        Ok(())
    }

    fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // Switches and names are always JSON.
            Ok(_) | Err(_) => Map::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dynamic_oauth_client_registration: true,
            default_scopes: None,
            oauth_jwt_access_tokens: true,
            client_id_metadata_documents_advertised: true,
            client_id_metadata_documents_only_allow_pre_registered_clients: false,
            client_id_metadata_documents_block_implicitly_allowed_clients: false,
            authorization_response_iss: false,
            resource_indicators: true,
            registered_scopes_only: false,
            access_token_lifetime: 86_400,
            loopback_client_documents: false,
            approve_as: None,
        }
    }
}

const CLERKS: [&str; 6] = [
    "dynamic_oauth_client_registration",
    "default_scopes",
    "oauth_jwt_access_tokens",
    "client_id_metadata_documents_advertised",
    "client_id_metadata_documents_only_allow_pre_registered_clients",
    "client_id_metadata_documents_block_implicitly_allowed_clients",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(changes: &Value) -> Map<String, Value> {
        changes.as_object().unwrap().clone()
    }

    #[test]
    fn clerks_own_settings_are_all_shown_and_no_others() {
        let shown = Settings::default().to_clerk();
        let shown = shown.as_object().unwrap();
        assert_eq!(shown["object"], "oauth_application_settings");
        assert_eq!(shown.len(), CLERKS.len() + 1);
        for name in CLERKS {
            assert!(shown.contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_change_names_what_it_changes() {
        let mut settings = Settings::default();
        settings
            .patch(changes(
                &json!({"oauth_jwt_access_tokens": false, "default_scopes": ["email"]}),
            ))
            .unwrap();
        assert!(!settings.oauth_jwt_access_tokens);
        settings
            .patch(changes(
                &json!({"oauth_jwt_access_tokens": null, "default_scopes": null}),
            ))
            .unwrap();
        let expected = Settings {
            oauth_jwt_access_tokens: false,
            ..Settings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_change_that_is_wrong_in_part_changes_nothing() {
        for wrong in [
            json!({"oauth_jwt_access_tokens": false, "default_scopes": "email"}),
            json!({"oauth_jwt_access_tokens": false, "oauth_jwt": true}),
            json!({"oauth_jwt_access_tokens": "no"}),
        ] {
            let mut settings = Settings::default();
            assert!(settings.patch(changes(&wrong)).is_err());
            assert_eq!(settings, Settings::default());
        }
        let others = json!({"authorization_response_iss": true});
        assert!(Settings::default().patch_clerks(changes(&others)).is_err());
    }
}
