//! The issuer's keys.

mod key;
mod pem;
mod published;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::identity::error::{AuthError, TokenError, Unavailable};

pub(crate) use key::{FetchError, KeySource, PublishedKey, VerifyingKey};
pub(crate) use pem::PemError;

use published::PublishedKeys;

/// The source of the keys with which tokens must be signed.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// One key from the configuration. It needs no network. The server ignores the `kid` of tokens.
    Fixed(Arc<VerifyingKey>),
    /// No key, so every signature is refused.
    #[cfg_attr(
        not(feature = "stdio"),
        expect(dead_code, reason = "only a server with a local user has no key")
    )]
    None,
    /// The key set that the issuer publishes.
    Published(Arc<PublishedKeys>),
}

/// The number of fetches of the keys that ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fetches {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

impl Keys {
    /// Reads one key from the text of a PEM file.
    ///
    /// # Errors
    /// [`PemError`] if the text is not a public RSA key of at least 2048 bits.
    pub(crate) fn from_pem(text: &str) -> Result<Self, PemError> {
        pem::parse(text).map(|key| Self::Fixed(Arc::new(key)))
    }

    /// Uses the keys that `source` publishes. They are fetched on the runtime `io`, on demand.
    pub(crate) fn published(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>, io: Handle) -> Self {
        Self::Published(Arc::new(PublishedKeys::new(source, clock, io)))
    }

    /// Returns the keys that may have signed a token with this `kid`, at least one. `issued_ms` is
    /// the time of issue that the token claims, in milliseconds since 1970.
    ///
    /// If the `kid` is unknown, its key may be new. The key set is then fetched, unless the last
    /// fetch is newer than the token.
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
            Self::None => Err(TokenError::UnknownKey.into()),
            Self::Published(keys) => keys.for_kid(kid, issued_ms).await,
        }
    }

    /// Returns other keys with this `kid`, after no key of `tried` verified the signature. The issuer may have changed
    /// the key without changing the `kid`. Keys are fetched by the rule of [`Self::for_kid`].
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
            Self::Fixed(_) | Self::None => Ok(Vec::new()),
            Self::Published(keys) => keys.others(kid, issued_ms, tried).await,
        }
    }

    /// Returns true if tokens that this key signed are still accepted.
    pub(crate) fn is_current(&self, key: &Arc<VerifyingKey>) -> bool {
        match self {
            Self::Fixed(own) => Arc::ptr_eq(own, key),
            Self::None => false,
            Self::Published(keys) => keys.is_current(key),
        }
    }

    /// Fetches the keys if no keys were fetched yet.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer cannot be reached.
    pub(crate) async fn prepare(&self) -> Result<(), Unavailable> {
        match self {
            Self::Fixed(_) | Self::None => Ok(()),
            Self::Published(keys) => keys.prepare().await,
        }
    }

    /// Returns the number of keys.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Fixed(_) => 1,
            Self::None => 0,
            Self::Published(keys) => keys.count(),
        }
    }

    /// Returns true if tokens can be verified now, as far as the server knows. This function never waits. It starts the
    /// fetch that the next request with a token would start, so that a server without requests becomes ready again.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::None => true,
            Self::Published(keys) => keys.is_ready(),
        }
    }

    /// Returns the number of keys that are not too old. Unlike [`Self::count`], this function starts no fetch.
    pub(crate) fn known(&self) -> usize {
        match self {
            Self::Fixed(_) => 1,
            Self::None => 0,
            Self::Published(keys) => keys.known(),
        }
    }

    /// Returns how many fetches ended.
    pub(crate) fn fetches(&self) -> Fetches {
        match self {
            Self::Fixed(_) | Self::None => Fetches::default(),
            Self::Published(keys) => keys.fetches(),
        }
    }

    /// Returns true if this set has one of the keys `others`.
    ///
    /// # Errors
    /// [`Unavailable`] if the keys cannot be fetched now.
    pub(crate) async fn share_any(&self, others: &[PublishedKey]) -> Result<bool, Unavailable> {
        match self {
            Self::Fixed(own) => Ok(others.iter().any(|other| own.has_material_of(other))),
            Self::None => Ok(false),
            Self::Published(keys) => keys.share_any(others).await,
        }
    }
}
