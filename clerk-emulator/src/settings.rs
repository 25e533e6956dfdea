//! The settings of an instance: the settings in the dashboard under *OAuth applications → Settings*
//! and *Agents → MCP servers*, and a few settings that only the local Clerk has.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::McpServerError;
use crate::mcp_server;
use crate::mint::DEFAULT_SCOPES;

/// The settings of an instance. A change applies from the next request on.
///
/// The first six settings have the names of Clerk's Backend API. Their documentation also gives the
/// name in the dashboard, under *OAuth applications → Settings → Client onboarding*. By default
/// clients can register themselves or use a metadata document, access tokens are JWTs, and no token
/// has an audience.
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
/// Source: `GET /v1/instance/oauth_application_settings`,
/// <https://clerk.com/docs/reference/backend-api>.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// *Publish DCR support*: whether clients can register themselves (RFC 7591). On by default.
    pub dynamic_oauth_client_registration: bool,
    /// *Default scopes for dynamic clients*: the scopes of a client that requests no scopes. With
    /// [`registered_scopes_only`](Self::registered_scopes_only) a client that registered without scopes may request
    /// only these scopes. `None`, the default, means `profile email`.
    pub default_scopes: Option<Vec<String>>,
    /// Whether OAuth access tokens are JWTs. If not, they are opaque. On by default.
    pub oauth_jwt_access_tokens: bool,
    /// *Publish CIMD support*: whether the metadata says that the URL of a metadata document can be a client's id. On
    /// by default. The first registered MCP server also turns this setting on.
    pub client_id_metadata_documents_advertised: bool,
    /// *Only allow pre-registered clients*: whether the instance refuses unknown CIMD clients (clients whose id is the
    /// URL of a metadata document). Off by default.
    pub client_id_metadata_documents_only_allow_pre_registered_clients: bool,
    /// Whether the instance also refuses known CIMD clients, unless
    /// [`Instance::allow_client`](crate::Instance::allow_client) allowed them. The setting has an effect only together
    /// with *Only allow pre-registered clients*. Off by default.
    pub client_id_metadata_documents_block_implicitly_allowed_clients: bool,
    /// Whether the authorization response names the issuer (RFC 9207). Off by default.
    pub authorization_response_iss: bool,
    /// Whether access tokens get the claim `aud`. Off by default. The first registered MCP server turns this setting
    /// on.
    ///
    /// If the `resource` (RFC 8707) of the authorization request is the URL of a registered server, the token's `aud`
    /// is this `resource`, exactly as the client wrote it. The `resource` and the registered URL may differ in the
    /// query, in a port that the scheme implies, and in the case of scheme and host. For any other `resource` the token
    /// has no `aud`. It is not confirmed what Clerk does in that case.
    ///
    /// The audience is fixed when a person allows a client. If the claim was off or the server was
    /// not registered at that time, all later tokens of the grant have no `aud`, even after a
    /// refresh. The client must be connected again to get `aud`.
    pub audience_claim: bool,
    /// The URLs of the registered MCP servers. In the dashboard they are under *Agents → MCP
    /// servers*. Empty by default.
    /// [`Instance::register_mcp_server`](crate::Instance::register_mcp_server) checks a URL and
    /// adds it.
    pub mcp_servers: Vec<String>,
    /// Whether a client that registered itself may request only the scopes with which it registered. A client that
    /// registered without scopes may request only [`default_scopes`](Self::default_scopes). On by default, as at Clerk.
    /// If the client requests another scope, it gets `invalid_scope` before any sign-in page, so a client can never get
    /// more scopes than it registered.
    pub registered_scopes_only: bool,
    /// The scopes that the instance allows its CIMD clients. `None`, the default, allows every
    /// scope of the instance. A request for another scope gets `invalid_scope` before any sign-in
    /// page.
    ///
    /// If a client requests no scope, it gets the `scope` of its own document. This `scope` does not change the list of
    /// allowed scopes: on real instances, only the instance's list decided about clients whose documents name no
    /// scopes. `offline_access` is always allowed, because Clerk always gives it to these clients. It is not
    /// confirmed which scopes a new instance of Clerk allows.
    pub client_document_scopes: Option<Vec<String>>,
    /// The lifetime of an access token from the token endpoint, in seconds. A day by default.
    pub access_token_lifetime: u32,
    /// Whether a client's document may be on this machine. If so, the emulator may fetch the document over `http`. Off
    /// by default.
    pub loopback_client_documents: bool,
    /// If set, the emulator shows no consent page to a client whose redirect URI is on this machine. It approves the
    /// client as this user: `ada`, or `ada/acme` for an organization. Use this setting for clients without a browser.
    /// With `None`, the default, the emulator shows the page.
    pub approve_as: Option<String>,
    /// The claim `azp` of a session token whose request names no `azp`. `None`, the default, means
    /// `http://localhost:3000`.
    pub session_origin: Option<String>,
}

impl Settings {
    /// Registers an MCP server. Only the first registration also changes other settings.
    ///
    /// Source: Clerk, "Build an MCP server", and its tool `configure_mcp_server`.
    pub(crate) fn register_mcp_server(&mut self, url: &str) -> Result<(), McpServerError> {
        mcp_server::check(url)?;
        if self.is_mcp_server(url) {
            return Ok(());
        }
        if self.mcp_servers.len() >= MAX_MCP_SERVERS {
            return Err(McpServerError::TooMany {
                max: MAX_MCP_SERVERS,
            });
        }
        if self.mcp_servers.is_empty() {
            self.audience_claim = true;
            self.client_id_metadata_documents_advertised = true;
        }
        self.mcp_servers.push(String::from(url));
        Ok(())
    }

    /// The resources among `resources` that become a token's audience.
    pub(crate) fn audience_of(&self, resources: &[String]) -> Vec<String> {
        if !self.audience_claim {
            return Vec::new();
        }
        let registered = resources.iter().filter(|it| self.is_mcp_server(it));
        registered.cloned().collect()
    }

    fn is_mcp_server(&self, resource: &str) -> bool {
        let mut servers = self.mcp_servers.iter();
        servers.any(|server| mcp_server::is_same(server, resource))
    }

    /// The scopes of a client that requests no scopes and registered without scopes.
    pub(crate) fn scopes_by_default(&self) -> Vec<String> {
        let clerks = || DEFAULT_SCOPES.map(String::from).to_vec();
        self.default_scopes.clone().unwrap_or_else(clerks)
    }

    /// The settings that Clerk also has, in the form of the Backend API.
    pub(crate) fn to_clerk(&self) -> Value {
        let mut shown = self.to_map();
        shown.retain(|name, _| CLERKS.contains(&name.as_str()));
        shown.insert(String::from("object"), json!("oauth_application_settings"));
        Value::Object(shown)
    }

    /// Changes the settings that `changes` names. A setting that Clerk does not have is an error.
    pub(crate) fn patch_clerks(
        &mut self,
        changes: Map<String, Value>,
    ) -> Result<(), serde_json::Error> {
        if let Some(name) = changes.keys().find(|name| !CLERKS.contains(&name.as_str())) {
            return Err(serde::de::Error::unknown_field(name, &CLERKS));
        }
        self.patch(changes)
    }

    /// Changes the settings that `changes` names. On an error no setting changes.
    pub(crate) fn patch(&mut self, changes: Map<String, Value>) -> Result<(), serde_json::Error> {
        let mut all = self.to_map();
        // Registering a server checks the URL and turns settings on. A patch would bypass both steps.
        if let Some(servers) = changes.get("mcp_servers")
            && Some(servers) != all.get("mcp_servers")
        {
            let text =
                "register MCP servers by `POST /dev/mcp-servers`; `mcp_servers` cannot be patched";
            return Err(serde::de::Error::custom(text));
        }
        // Like at Clerk, `null` resets the default scopes, but does not change a boolean setting.
        all.extend(
            changes
                .into_iter()
                .filter(|(name, value)| !value.is_null() || NULLABLE.contains(&name.as_str())),
        );
        *self = serde_json::from_value(Value::Object(all))?;
        Ok(())
    }

    fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // A struct of booleans, numbers and texts always serialises to an object.
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
            audience_claim: false,
            mcp_servers: Vec::new(),
            registered_scopes_only: true,
            client_document_scopes: None,
            access_token_lifetime: 86_400,
            loopback_client_documents: false,
            approve_as: None,
            session_origin: None,
        }
    }
}

/// The settings that `null` resets.
const NULLABLE: [&str; 4] = [
    "approve_as",
    "client_document_scopes",
    "default_scopes",
    "session_origin",
];
const MAX_MCP_SERVERS: usize = 100;
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
    fn the_backend_api_shows_exactly_the_settings_that_clerk_has() {
        let shown = Settings::default().to_clerk();
        let shown = shown.as_object().unwrap();
        assert_eq!(shown["object"], "oauth_application_settings");
        assert_eq!(shown.len(), CLERKS.len() + 1);
        for name in CLERKS {
            assert!(shown.contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_change_affects_only_the_settings_that_it_names() {
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
    fn a_change_with_one_invalid_setting_changes_no_setting() {
        for wrong in [
            json!({"oauth_jwt_access_tokens": false, "default_scopes": "email"}),
            json!({"oauth_jwt_access_tokens": false, "oauth_jwt": true}),
            json!({"oauth_jwt_access_tokens": "no"}),
            json!({"oauth_jwt_access_tokens": false, "mcp_servers": ["http://127.0.0.1:3000/mcp"]}),
        ] {
            let mut settings = Settings::default();
            assert!(settings.patch(changes(&wrong)).is_err());
            assert_eq!(settings, Settings::default());
        }
        let others = json!({"authorization_response_iss": true});
        assert!(Settings::default().patch_clerks(changes(&others)).is_err());
    }

    #[test]
    fn the_first_registered_server_switches_audiences_and_client_documents_on() {
        let mut settings = Settings {
            client_id_metadata_documents_advertised: false,
            ..Settings::default()
        };
        settings.register_mcp_server(SERVER).unwrap();
        assert!(settings.audience_claim && settings.client_id_metadata_documents_advertised);
        assert_eq!(settings.mcp_servers, [SERVER]);
    }

    #[test]
    fn the_second_registered_server_changes_no_other_setting() {
        let mut settings = Settings::default();
        settings.register_mcp_server(SERVER).unwrap();
        settings.audience_claim = false;
        settings.client_id_metadata_documents_advertised = false;
        let other = "https://mcp.example.com/mcp";
        let mut expected = settings.clone();
        expected.mcp_servers.push(String::from(other));
        settings.register_mcp_server(other).unwrap();
        assert_eq!(settings, expected);
        // Registering a known server again changes nothing.
        for again in [SERVER, "https://MCP.example.com:443/mcp"] {
            settings.register_mcp_server(again).unwrap();
            assert_eq!(settings, expected);
        }
    }

    #[test]
    fn a_refused_registration_changes_no_setting_and_the_number_of_servers_is_limited() {
        let mut settings = Settings::default();
        let refused = settings.register_mcp_server("http://127.0.0.1:3000/mcp/");
        assert!(matches!(refused, Err(McpServerError::Url { .. })));
        assert_eq!(settings, Settings::default());
        for index in 0..MAX_MCP_SERVERS {
            let url = format!("https://mcp.example.com/{index}");
            settings.register_mcp_server(&url).unwrap();
        }
        let refused = settings.register_mcp_server(SERVER);
        assert!(matches!(refused, Err(McpServerError::TooMany { max: 100 })));
        assert_eq!(settings.mcp_servers.len(), MAX_MCP_SERVERS);
    }

    #[test]
    fn only_registered_resources_become_an_audience_and_only_while_the_claim_is_on() {
        let mut settings = Settings::default();
        let with_query = format!("{SERVER}?client=cursor");
        let resources = [SERVER, &with_query, "https://mcp.example.com/mcp"].map(String::from);
        settings.mcp_servers.push(String::from(SERVER));
        assert!(settings.audience_of(&resources).is_empty());
        settings.audience_claim = true;
        assert_eq!(settings.audience_of(&resources), [SERVER, &with_query]);
    }

    const SERVER: &str = "http://127.0.0.1:3000/mcp";
}
