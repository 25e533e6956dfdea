//! A Clerk instance without a network: an issuer, its keys, its people and its settings.

mod faults;
mod minting;
mod oauth;
mod opaque;
mod rotation;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::json;

use crate::clock;
use crate::directory::{Directory, Membership};
use crate::error::{Error, McpServerError};
use crate::faults::Faults;
use crate::keys::{SecretKey, SigningKey};
use crate::oauth::OAuth;
use crate::opaque::OpaqueTokens;
use crate::settings::Settings;
use crate::state_file;
use crate::state_file::{Keys, StateFile};

/// A Clerk instance in memory. Clones share all state.
///
/// ```
/// use clerk_emulator::{Directory, Instance, TokenRequest};
///
/// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
/// assert_eq!(clerk.issuer(), "http://127.0.0.1:4400");
/// // The settings of a resource server:
/// assert!(clerk.secret_key().expose().starts_with("sk_test_"));
/// assert!(clerk.public_key_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
/// assert!(clerk.jwks().contains(r#""alg":"RS256""#));
///
/// let token = clerk.mint(&TokenRequest::oauth("ada").org("acme"), 1_750_000_000)?;
/// assert_eq!(token.split('.').count(), 3);
///
/// // Changes while a server runs:
/// clerk.set_member("linus", "acme", "member", &["org:documents:read"]);
/// assert!(clerk.membership("org_acme", "user_linus").is_some());
/// assert!(clerk.remove_member("linus", "acme"));
/// assert_eq!(clerk.directory(), Directory::default());
/// let published = clerk.jwks();
/// clerk.rotate_key()?;
/// assert_ne!(clerk.jwks(), published);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Requests that come through an [`Emulator`](crate::Emulator) can be delayed and made to fail:
///
/// ```
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use clerk_emulator::{Emulator, EmulatorOptions};
///
/// let emulator = Emulator::start(EmulatorOptions::default()).await?;
/// let clerk = emulator.instance();
/// let keys = format!("{}/.well-known/jwks.json", emulator.url());
///
/// clerk.fail_with(Some(500));
/// assert_eq!(reqwest::get(&keys).await?.status(), 500);
/// clerk.throttle(30);
/// let answer = reqwest::get(&keys).await?;
/// assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"30".parse()?));
/// clerk.fail_with(None);
/// clerk.latency(Duration::from_millis(1));
/// assert_eq!(reqwest::get(&keys).await?.text().await?, clerk.jwks());
///
/// assert_eq!(clerk.requests_to("/.well-known/jwks.json"), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Instance {
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    secret_key: SecretKey,
    created_at: u64,
    state: RwLock<State>,
    faults: Faults,
    oauth: OAuth,
    file: Option<Arc<StateFile>>,
}

struct State {
    /// The key that signs every token, even after the key was withdrawn from `published`.
    key: Arc<SigningKey>,
    published: Vec<Arc<SigningKey>>,
    public_key_pem: String,
    directory: Directory,
    settings: Settings,
    opaque_tokens: OpaqueTokens,
}

impl Instance {
    /// An instance with this issuer, this directory and new keys.
    ///
    /// `issuer` is a URL without a trailing slash. Tokens contain it unchanged as `iss`.
    ///
    /// # Errors
    /// - [`Error::KeyGeneration`]: the system has no randomness.
    pub fn new(issuer: impl Into<String>, directory: Directory) -> Result<Self, Error> {
        let (keys, tokens) = (Keys::generate()?, OpaqueTokens::default());
        Self::with_keys(issuer.into(), directory, keys, OAuth::new(), tokens, None)
    }

    /// An instance that stores its state in the file `path`: keys, OAuth clients, grants and opaque tokens. Clients and
    /// all tokens survive a restart. A missing file is created with the mode 0600. The file does not store a key from a
    /// later [`rotate_key`](Self::rotate_key).
    ///
    /// The instance holds a lock on the file `….lock` beside `path`, so that no other instance
    /// writes the state.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("state.json");
    /// let clerk = || Instance::with_state_in(&path, "http://127.0.0.1:4400", Directory::default());
    /// let keys = clerk()?.jwks();
    /// assert_eq!(clerk()?.jwks(), keys);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::StateFile`]: the file cannot be read or written.
    /// - [`Error::StateFileContent`]: the content of the file is not the state of an instance.
    /// - [`Error::StateFileInUse`]: another instance uses the file.
    /// - [`Error::StateFileMode`]: other users can read the file (on Unix).
    /// - [`Error::KeyGeneration`]: the system has no randomness.
    pub fn with_state_in(
        path: &Path,
        issuer: impl Into<String>,
        directory: Directory,
    ) -> Result<Self, Error> {
        Self::with_state(
            state_file::SavedState::open(path)?,
            issuer.into(),
            directory,
        )
    }

    pub(crate) fn with_state(
        state: state_file::SavedState,
        issuer: String,
        directory: Directory,
    ) -> Result<Self, Error> {
        let file = Arc::new(state.file);
        let oauth = OAuth::restored_from(Arc::clone(&file), state.oauth);
        let tokens = state.opaque_tokens;
        Self::with_keys(issuer, directory, state.keys, oauth, tokens, Some(file))
    }

    fn with_keys(
        issuer: String,
        directory: Directory,
        keys: Keys,
        oauth: OAuth,
        opaque_tokens: OpaqueTokens,
        file: Option<Arc<StateFile>>,
    ) -> Result<Self, Error> {
        let public_key_pem = keys.signing.pem()?;
        let key = Arc::new(keys.signing);
        let state = State {
            published: vec![Arc::clone(&key)],
            public_key_pem,
            key,
            directory,
            settings: Settings::default(),
            opaque_tokens,
        };
        let shared = Shared {
            issuer,
            secret_key: keys.secret,
            created_at: clock::unix_seconds(),
            state: RwLock::new(state),
            faults: Faults::default(),
            oauth,
            file,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Makes `user` a member of `organization` with `role` and exactly `permissions`, regardless of
    /// the role's permissions.
    ///
    /// You can pass names or full ids. An unknown user, organization or role is added. An existing membership is
    /// replaced. Existing tokens do not change.
    pub fn set_member(&self, user: &str, organization: &str, role: &str, permissions: &[&str]) {
        self.write()
            .directory
            .set_member(user, organization, role, permissions);
    }

    /// Ends a membership. Returns whether the membership existed. Existing tokens do not change.
    pub fn remove_member(&self, user: &str, organization: &str) -> bool {
        self.write().directory.remove_member(user, organization)
    }

    /// Adds scopes to Clerk's own scopes, so that OAuth clients can request them.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// clerk.add_scopes(&["documents:write"]);
    /// assert!(clerk.directory().scopes().any(|scope| scope == "documents:write"));
    /// # Ok::<(), clerk_emulator::Error>(())
    /// ```
    pub fn add_scopes(&self, scopes: &[&str]) {
        self.write().directory.add_scopes(scopes);
    }

    /// Allows the client whose id is the URL of this metadata document, regardless of the settings
    /// for such clients.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// clerk.change_settings(|settings| settings.client_id_metadata_documents_advertised = false);
    /// clerk.allow_client("https://app.example.com/client.json");
    /// # Ok::<(), clerk_emulator::Error>(())
    /// ```
    ///
    /// Source:
    /// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/client-id-metadata-documents>.
    pub fn allow_client(&self, client_id: &str) {
        self.shared.oauth.allow_client(client_id);
    }

    /// Bans a user, given by name or id, or lifts the ban. Returns whether the user exists.
    /// Existing tokens do not change.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// assert!(clerk.set_banned("ada", true) && clerk.set_locked("grace", true));
    /// assert!(clerk.directory().user("ada").unwrap().banned);
    /// assert!(clerk.delete_user("linus") && !clerk.delete_user("linus"));
    /// # Ok::<(), clerk_emulator::Error>(())
    /// ```
    pub fn set_banned(&self, user: &str, banned: bool) -> bool {
        let mut state = self.write();
        let user = state.directory.user_mut(user);
        user.map(|user| user.banned = banned).is_some()
    }

    /// Locks or unlocks a user, given by name or id. Returns whether the user exists. Existing
    /// tokens do not change.
    pub fn set_locked(&self, user: &str, locked: bool) -> bool {
        let mut state = self.write();
        let user = state.directory.user_mut(user);
        user.map(|user| user.locked = locked).is_some()
    }

    /// Removes a user, given by name or id, and the user's memberships. Returns whether the user
    /// existed. Existing tokens do not change.
    pub fn delete_user(&self, user: &str) -> bool {
        self.write().directory.remove_user(user)
    }

    /// Sets the e-mail address of a user, given by name or id, and marks the address as verified. `None` removes the
    /// address. Returns whether the user exists. Existing tokens do not change.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// assert!(clerk.set_email("ada", Some("ada@analytical.example")));
    /// let ada = clerk.directory().user("ada").unwrap().email.clone();
    /// assert_eq!(ada.as_deref(), Some("ada@analytical.example"));
    /// # Ok::<(), clerk_emulator::Error>(())
    /// ```
    pub fn set_email(&self, user: &str, email: Option<&str>) -> bool {
        let mut state = self.write();
        let user = state.directory.user_mut(user);
        user.map(|user| {
            user.email = email.map(str::to_owned);
            user.email_verified = true;
        })
        .is_some()
    }

    /// Lets `machine` talk to exactly `scoped_machines`; see [`Directory::set_machine`]. Existing
    /// tokens do not change.
    pub fn set_machine(&self, machine: &str, scoped_machines: &[&str]) {
        self.write().directory.set_machine(machine, scoped_machines);
    }

    /// Registers the MCP server with this endpoint URL, like *Agents → MCP servers → Add MCP server* in the dashboard.
    /// Access tokens of later grants can then have this URL as `aud`; see [`Settings::audience_claim`].
    ///
    /// The first registered server turns on [`Settings::audience_claim`] and
    /// [`Settings::client_id_metadata_documents_advertised`]. Later servers are only added to the list, and registering
    /// a server again changes nothing. A restart removes the servers, like all settings.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// assert!(!clerk.settings().audience_claim);
    /// clerk.register_mcp_server("http://127.0.0.1:3000/mcp")?;
    /// assert!(clerk.settings().audience_claim);
    /// assert_eq!(clerk.settings().mcp_servers, ["http://127.0.0.1:3000/mcp"]);
    /// # Ok::<(), clerk_emulator::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`McpServerError::Url`]: the URL is neither https nor http on a loopback address, or it
    ///   has a query, a fragment, a user name, or a trailing slash after a path.
    /// - [`McpServerError::TooMany`]: 100 servers are registered.
    pub fn register_mcp_server(&self, url: &str) -> Result<(), McpServerError> {
        self.with_settings(|settings| settings.register_mcp_server(url))
    }

    /// Changes the settings. The closure must not call methods of this instance, because the call would deadlock.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.write().settings);
    }

    /// The current settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.read().settings.clone()
    }

    /// The issuer of every token. It is the Frontend API URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// The key of the Backend API. [`rotate_key`](Self::rotate_key) does not change it.
    #[must_use]
    pub fn secret_key(&self) -> SecretKey {
        self.shared.secret_key.clone()
    }

    /// The JWKS document (RFC 7517 §5), as JSON: one key, or more after
    /// [`rotate_key_overlapping`](Self::rotate_key_overlapping).
    #[must_use]
    pub fn jwks(&self) -> String {
        let state = self.read();
        let keys: Vec<_> = state.published.iter().map(|key| key.jwk()).collect();
        json!({"keys": keys}).to_string()
    }

    /// The public key (SPKI) in PEM, for a verifier that works offline. Clerk calls it the JWT key.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        self.read().public_key_pem.clone()
    }

    /// A copy of the current people and organizations.
    #[must_use]
    pub fn directory(&self) -> Directory {
        self.read().directory.clone()
    }

    /// The membership of a person in an organization, both given by full id. `None` if the person is not a member. The
    /// Backend API returns the same data.
    #[must_use]
    pub fn membership(&self, organization_id: &str, user_id: &str) -> Option<Membership> {
        self.read().directory.membership(organization_id, user_id)
    }

    /// The time at which this instance was created, in Unix seconds. It is also the creation time
    /// of all objects of the instance.
    pub(crate) fn created_at(&self) -> u64 {
        self.shared.created_at
    }

    pub(crate) fn with_directory<T>(&self, change: impl FnOnce(&mut Directory) -> T) -> T {
        change(&mut self.write().directory)
    }

    pub(crate) fn with_settings<T>(&self, change: impl FnOnce(&mut Settings) -> T) -> T {
        change(&mut self.write().settings)
    }

    /// The file that stores the state.
    pub(crate) fn state_file(&self) -> Option<&StateFile> {
        self.shared.file.as_deref()
    }

    fn save_opaque_tokens(&self, state: &State) {
        if let Some(file) = self.state_file() {
            file.save_opaque_tokens(&state.opaque_tokens);
        }
    }

    /// Ignores poisoning. Each write is one assignment or one operation of a map, so a panic leaves a consistent state.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.shared
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("issuer", &self.shared.issuer)
            .field("key", &self.read().key)
            .finish_non_exhaustive()
    }
}
