//! The issuer's keys.

mod key;
mod pem;
mod published;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::identity::error::{AuthError, Unavailable};

pub(crate) use key::{FetchError, KeySource, PublishedKey, VerifyingKey};
pub(crate) use pem::PemError;

use published::PublishedKeys;

/// The source of the keys that tokens must be signed with.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// One key from the configuration. It needs no network. The `kid` of tokens is ignored.
    Fixed(Arc<VerifyingKey>),
    /// The key set that the issuer publishes.
    Published(Arc<PublishedKeys>),
}

impl Keys {
    /// One key, from the text of a PEM file.
    ///
    /// # Errors
    /// [`PemError`] if it is not a public RSA key of at least 2048 bits.
    pub(crate) fn from_pem(text: &str) -> Result<Self, PemError> {
        pem::parse(text).map(|key| Self::Fixed(Arc::new(key)))
    }

    /// The keys that `source` publishes. They are fetched on the runtime `io`, on demand.
    pub(crate) fn published(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>, io: Handle) -> Self {
        Self::Published(Arc::new(PublishedKeys::new(source, clock, io)))
    }

    /// The keys that may have signed a token with this `kid`, at least one. `issued_ms` is the time
    /// at which the token says that it was issued, in milliseconds since 1970.
    ///
    /// An unknown key may be new, so the key set is fetched, unless the last fetch is newer than
    /// the token.
    ///
    /// # Errors
    /// - [`TokenError::UnknownKey`](crate::identity::TokenError::UnknownKey) if there is no such
    ///   key.
    /// - [`AuthError::Unavailable`] if the keys cannot be fetched now.
    pub(crate) async fn for_kid(
        &self,
        kid: Option<&str>,
        issued_ms: Option<u64>,
    ) -> Result<Vec<Arc<VerifyingKey>>, AuthError> {
        match self {
            Self::Fixed(key) => Ok(vec![Arc::clone(key)]),
            Self::Published(keys) => keys.for_kid(kid, issued_ms).await,
        }
    }

    /// Other keys of this `kid`, after the signature was wrong with all keys of `tried`: the issuer
    /// may have changed the key and kept its name. Keys are fetched by the same rule as in
    /// [`Self::for_kid`].
    ///
    /// # Errors
    /// [`Unavailable`] if the keys cannot be fetched now.
    pub(crate) async fn others(
        &self,
        kid: Option<&str>,
        issued_ms: Option<u64>,
        tried: &[Arc<VerifyingKey>],
    ) -> Result<Vec<Arc<VerifyingKey>>, Unavailable> {
        match self {
            Self::Fixed(_) => Ok(Vec::new()),
            Self::Published(keys) => keys.others(kid, issued_ms, tried).await,
        }
    }

    /// Whether tokens that this key signed are still accepted.
    pub(crate) fn is_current(&self, key: &Arc<VerifyingKey>) -> bool {
        match self {
            Self::Fixed(own) => Arc::ptr_eq(own, key),
            Self::Published(keys) => keys.is_current(key),
        }
    }

    /// Fetches the keys if there are none yet.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer cannot be reached.
    pub(crate) async fn prepare(&self) -> Result<(), Unavailable> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Published(keys) => keys.prepare().await,
        }
    }

    /// The number of keys.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Fixed(_) => 1,
            Self::Published(keys) => keys.count(),
        }
    }

    /// Whether one of these keys is in this set, too.
    ///
    /// # Errors
    /// [`Unavailable`] if the keys cannot be fetched now.
    pub(crate) async fn share_any(&self, others: &[PublishedKey]) -> Result<bool, Unavailable> {
        match self {
            Self::Fixed(own) => Ok(others.iter().any(|other| own.has_material_of(other))),
            Self::Published(keys) => keys.share_any(others).await,
        }
    }
}
