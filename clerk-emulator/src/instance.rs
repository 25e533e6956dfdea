//! Clerk without a network: an issuer, its keys, the people it knows.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::clock;
use crate::directory::Directory;
use crate::directory::Membership;
use crate::error::Error;
use crate::error::MintError;
use crate::faults::Failure;
use crate::faults::Faults;
use crate::key_file::Keys;
use crate::keys::SecretKey;
use crate::keys::SigningKey;
use crate::mint;
use crate::request::TokenRequest;

/// A Clerk instance in memory. Clones share everything.
///
/// ```
/// use clerk_emulator::{Directory, Instance, TokenRequest};
///
/// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
/// assert_eq!(clerk.issuer(), "http://127.0.0.1:4400");
/// // What a resource server is configured with:
/// assert!(clerk.secret_key().expose().starts_with("sk_test_"));
/// assert!(clerk.public_key_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
/// assert!(clerk.jwks().contains(r#""alg":"RS256""#));
///
/// let token = clerk.mint(&TokenRequest::oauth("ada").org("acme"), 1_750_000_000)?;
/// assert_eq!(token.split('.').count(), 3);
///
/// // What changes while a server runs:
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
/// What asks it through an [`Emulator`](crate::Emulator) can be made to wait and to fail:
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
}

struct State {
    key: Arc<SigningKey>,
    public_key_pem: String,
    directory: Directory,
}

impl Instance {
    /// An instance with this issuer and these people, and with fresh keys.
    ///
    /// `issuer` is what tokens say in `iss`, as it is: a URL without a final slash.
    ///
    /// # Errors
    /// - [`Error::KeyGeneration`]: the system has no randomness.
    pub fn new(issuer: impl Into<String>, directory: Directory) -> Result<Self, Error> {
        Self::with_keys(issuer.into(), directory, Keys::generate()?)
    }

    /// The same with the keys kept in `path`, which is created with the mode 0600 if it is not there.
    /// A later [`rotate_key`](Self::rotate_key) is not written back.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("keys.json");
    /// let clerk = || Instance::with_keys_in(&path, "http://127.0.0.1:4400", Directory::default());
    /// assert_eq!(clerk()?.jwks(), clerk()?.jwks());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::KeyFile`]: the file can't be read or created.
    /// - [`Error::KeyFileContent`]: it holds something else.
    /// - [`Error::KeyFileMode`]: others can read it (on Unix).
    /// - [`Error::KeyGeneration`]: the system has no randomness.
    pub fn with_keys_in(
        path: &Path,
        issuer: impl Into<String>,
        directory: Directory,
    ) -> Result<Self, Error> {
        Self::with_keys(issuer.into(), directory, Keys::kept_in(path)?)
    }

    fn with_keys(issuer: String, directory: Directory, keys: Keys) -> Result<Self, Error> {
        let state = State {
            public_key_pem: keys.signing.pem()?,
            key: Arc::new(keys.signing),
            directory,
        };
        let shared = Shared {
            issuer,
            secret_key: keys.secret,
            created_at: clock::unix_seconds(),
            state: RwLock::new(state),
            faults: Faults::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Replaces the signing key. The old one leaves the JWKS, and with it goes all that it signed.
    ///
    /// # Errors
    /// - [`Error::KeyGeneration`]: the system has no randomness; the old key stays.
    pub fn rotate_key(&self) -> Result<(), Error> {
        let key = SigningKey::generate()?;
        let public_key_pem = key.pem()?;
        let mut state = self.write();
        state.key = Arc::new(key);
        state.public_key_pem = public_key_pem;
        Ok(())
    }

    /// Makes `user` a member of `organization` with `role` and exactly `permissions`, whatever the role has.
    ///
    /// Names and full ids both do. An unknown user, organization or role is added; a membership that is
    /// there is replaced. Tokens minted before stay as they are.
    pub fn set_member(&self, user: &str, organization: &str, role: &str, permissions: &[&str]) {
        self.write()
            .directory
            .set_member(user, organization, role, permissions);
    }

    /// Ends a membership. Returns whether there was one. Tokens minted before stay as they are.
    pub fn remove_member(&self, user: &str, organization: &str) -> bool {
        self.write().directory.remove_member(user, organization)
    }

    /// Answers every request for keys and to the Backend API with this HTTP status, until told `None`. What
    /// is no status (below 100, above 999) is 500.
    ///
    /// Discovery documents and `/dev` are answered all the same, and so is what is asked in process.
    pub fn fail_with(&self, status: Option<u16>) {
        let failure = status.map(|status| Failure {
            status,
            retry_after: None,
        });
        self.shared.faults.set_failure(failure);
    }

    /// The same with 429 and a `Retry-After` of so many seconds, until [`fail_with`](Self::fail_with) is told
    /// `None`.
    pub fn throttle(&self, retry_after: u64) {
        self.shared.faults.set_failure(Some(Failure {
            status: 429,
            retry_after: Some(retry_after),
        }));
    }

    /// Lets every request for keys and to the Backend API wait so long for its answer; zero for none.
    pub fn latency(&self, latency: Duration) {
        self.shared.faults.set_latency(latency);
    }

    /// How many requests for keys and to the Backend API had a path that starts with `prefix`, failed ones
    /// included. Of more than 10 000 different paths the rest is not counted.
    #[must_use]
    pub fn requests_to(&self, prefix: &str) -> usize {
        self.shared.faults.requests_to(prefix)
    }

    /// The issuer of every token, the Frontend API URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// The key of the Backend API. [`rotate_key`](Self::rotate_key) does not change it.
    #[must_use]
    pub fn secret_key(&self) -> SecretKey {
        self.shared.secret_key.clone()
    }

    /// The JWKS document (RFC 7517 §5), as JSON: one key.
    #[must_use]
    pub fn jwks(&self) -> String {
        json!({"keys": [self.read().key.jwk()]}).to_string()
    }

    /// The public key (SPKI) in PEM, for a verifier that works offline: what Clerk calls the JWT key.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        self.read().public_key_pem.clone()
    }

    /// A copy of the people and organizations as they are now.
    #[must_use]
    pub fn directory(&self) -> Directory {
        self.read().directory.clone()
    }

    /// What the person is in the organization, both by full id, as the Backend API would say; `None` if no
    /// member.
    #[must_use]
    pub fn membership(&self, organization_id: &str, user_id: &str) -> Option<Membership> {
        self.read().directory.membership(organization_id, user_id)
    }

    /// Mints a token (RFC 7519, signed with RS256) as if the time was `now`, in seconds since 1970.
    ///
    /// Whether it has expired by `now` depends on [`TokenRequest::expires_in`].
    ///
    /// # Errors
    /// - [`MintError::UnknownUser`], [`MintError::UnknownOrganization`], [`MintError::NotAMember`]: nobody
    ///   could have such a token.
    /// - [`MintError::Inapplicable`], [`MintError::Scope`], [`MintError::Permission`]: a token of this kind
    ///   can't say what was asked for.
    /// - [`MintError::Random`], [`MintError::Signing`]: the system has no randomness, the key can't sign.
    pub fn mint(&self, request: &TokenRequest, now: u64) -> Result<String, MintError> {
        let state = self.read();
        let key = Arc::clone(&state.key);
        let (header, claims) =
            mint::token_parts(&state.directory, self.issuer(), key.kid(), request, now)?;
        // Signing takes a millisecond; no writer waits for it.
        drop(state);
        key.sign(&header, &claims)
    }

    /// The header and the claims that [`mint`](Self::mint) would sign, both JSON objects: for a test to
    /// change, and hand to [`mint_claims`](Self::mint_claims).
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance, TokenRequest};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let (header, mut claims) = clerk.token_parts(&TokenRequest::oauth("ada"), 1_750_000_000)?;
    /// assert_eq!(header["typ"], "at+jwt");
    /// assert_eq!(claims["exp"], 1_750_086_400);
    /// claims["iss"] = "https://elsewhere.example.com".into();
    /// let foreign = clerk.mint_claims(header, claims)?;
    /// # assert_eq!(foreign.split('.').count(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`mint`](Self::mint), less [`MintError::Signing`].
    pub fn token_parts(
        &self,
        request: &TokenRequest,
        now: u64,
    ) -> Result<(Value, Value), MintError> {
        let state = self.read();
        mint::token_parts(
            &state.directory,
            self.issuer(),
            state.key.kid(),
            request,
            now,
        )
    }

    /// Signs anything, with RS256 and the current key, whatever `alg` and `kid` the header claims.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    /// use serde_json::json;
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::empty())?;
    /// let lie = clerk.mint_claims(json!({"alg": "none"}), json!({"iss": 7}))?;
    /// assert!(lie.starts_with("eyJhbGciOiJub25lIn0.eyJpc3MiOjd9."));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`MintError::NotAnObject`]: one of the two is no JSON object.
    /// - [`MintError::Signing`]: the key can't sign.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write both with `json!`"
    )]
    pub fn mint_claims(&self, header: Value, claims: Value) -> Result<String, MintError> {
        for (part, value) in [("header", &header), ("claims", &claims)] {
            if !value.is_object() {
                return Err(MintError::NotAnObject { part });
            }
        }
        let key = Arc::clone(&self.read().key);
        key.sign(&header, &claims)
    }

    /// When this instance was made, in Unix seconds: the creation time of all it has.
    pub(crate) fn created_at(&self) -> u64 {
        self.shared.created_at
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    pub(crate) fn with_directory<T>(&self, change: impl FnOnce(&mut Directory) -> T) -> T {
        change(&mut self.write().directory)
    }

    /// A writer that panicked has left a whole value: each write is one assignment or one map operation.
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
