//! The data of an instance that the authorization server uses.

use std::sync::Arc;

use crate::directory::Directory;
use crate::keys::SigningKey;
use crate::settings::Settings;

/// A snapshot of an instance for one request. It contains the people, the settings, the keys and the time.
pub(crate) struct Context {
    pub(crate) issuer: String,
    pub(crate) directory: Directory,
    pub(crate) settings: Settings,
    /// The key that signs every token.
    pub(crate) key: Arc<SigningKey>,
    /// The keys of the JWKS, with which tokens are verified.
    pub(crate) published: Vec<Arc<SigningKey>>,
    /// The time by the clock of the instance, in Unix seconds.
    pub(crate) now: u64,
}
