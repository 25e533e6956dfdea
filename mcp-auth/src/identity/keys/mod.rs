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

/// Where the keys come from that tokens must be signed with.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// One key, given by configuration; needs no network. A token's `kid` is not looked at.
    Fixed(Arc<VerifyingKey>),
    /// The set that the issuer publishes.
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

    /// The keys that `source` publishes, fetched on this runtime when they are needed.
    pub(crate) fn published(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>, io: Handle) -> Self {
        Self::Published(Arc::new(PublishedKeys::new(source, clock, io)))
    }

    /// The keys that may have signed a token with this `kid`, issued at this time by its own account
    /// (in milliseconds since 1970); at least one.
    ///
    /// A key that is not known may be new, so the issuer is asked, unless the token is older than what
    /// it said last.
    ///
    /// # Errors
    /// - [`TokenError::UnknownKey`](crate::identity::TokenError::UnknownKey) if there is none.
    /// - [`AuthError::Unavailable`] if that can't be told.
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

    /// Other keys of this `kid`, after a signature held with none of those `tried`: the issuer may
    /// have changed the key and kept its name. It is asked as by [`Self::for_kid`].
    ///
    /// # Errors
    /// [`Unavailable`] if that can't be told.
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

    /// Whether what this key signed is still to be believed.
    pub(crate) fn is_current(&self, key: &Arc<VerifyingKey>) -> bool {
        match self {
            Self::Fixed(own) => Arc::ptr_eq(own, key),
            Self::Published(keys) => keys.is_current(key),
        }
    }

    /// Fetches the keys if there are none yet.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer can't be reached.
    pub(crate) async fn prepare(&self) -> Result<(), Unavailable> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Published(keys) => keys.prepare().await,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Fixed(_) => 1,
            Self::Published(keys) => keys.count(),
        }
    }

    /// Whether one of these keys is also one of ours.
    ///
    /// # Errors
    /// [`Unavailable`] if ours can't be had.
    pub(crate) async fn share_any(&self, others: &[PublishedKey]) -> Result<bool, Unavailable> {
        match self {
            Self::Fixed(own) => Ok(others.iter().any(|other| own.has_material_of(other))),
            Self::Published(keys) => keys.share_any(others).await,
        }
    }
}
