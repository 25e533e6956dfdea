//! Whose secret key it is.

use std::sync::{Arc, OnceLock};

use crate::clerk::backend::{Backend, BackendKeysError};
use crate::identity::Keys;

/// Tells whether the secret key belongs to the instance whose tokens are accepted.
///
/// Another instance's would confirm that one's opaque tokens, which do not say who issued them.
#[derive(Clone, Debug)]
pub(super) struct Ownership {
    backend: Backend,
    /// The issuer's.
    keys: Keys,
    /// Set once it is known to.
    fits: Arc<OnceLock<()>>,
}

/// What a look at the secret key shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SecretKeyCheck {
    /// It belongs to the instance that issues the tokens, or there is none.
    Fits,
    /// It belongs to another instance: every look-up would ask about strangers.
    OtherInstance,
    /// Clerk does not accept it.
    Refused,
    /// That can't be told now.
    Unknown,
}

impl Ownership {
    pub(super) fn of(backend: Backend, keys: Keys) -> Self {
        Self {
            backend,
            keys,
            fits: Arc::default(),
        }
    }

    /// One that is known to fit.
    #[cfg(test)]
    pub(super) fn proven(backend: Backend, keys: Keys) -> Self {
        Self {
            fits: Arc::new(OnceLock::from(())),
            ..Self::of(backend, keys)
        }
    }

    /// Compares the keys that Clerk tells the secret key's owner with the issuer's; asks nothing once
    /// they were the same. Runs on the I/O runtime.
    pub(super) async fn check(&self) -> SecretKeyCheck {
        if self.fits.get().is_some() {
            return SecretKeyCheck::Fits;
        }
        let told = match self.backend.keys().await {
            Ok(told) => told,
            Err(BackendKeysError::KeyRefused) => return SecretKeyCheck::Refused,
            Err(BackendKeysError::Unreachable) => return SecretKeyCheck::Unknown,
        };
        match self.keys.share_any(&told).await {
            Ok(true) => {
                self.fits.get_or_init(|| ());
                SecretKeyCheck::Fits
            }
            Ok(false) => SecretKeyCheck::OtherInstance,
            Err(_unavailable) => SecretKeyCheck::Unknown,
        }
    }
}
