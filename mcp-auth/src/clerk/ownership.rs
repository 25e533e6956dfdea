//! The check that the secret key belongs to the issuer's instance.

use std::sync::{Arc, OnceLock};

use crate::clerk::backend::{Backend, BackendKeysError};
use crate::identity::Keys;

/// Checks that the secret key belongs to the instance whose tokens are accepted.
///
/// This check is necessary because opaque tokens do not name their issuer. With the key of another
/// instance, Clerk would confirm the opaque tokens of that instance.
#[derive(Clone, Debug)]
pub(super) struct Ownership {
    backend: Backend,
    /// The issuer's keys.
    keys: Keys,
    /// Set when the key is known to belong to the instance.
    fits: Arc<OnceLock<()>>,
}

/// The result of checking the secret key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SecretKeyCheck {
    /// The key belongs to the instance that issues the tokens, or there is no key.
    Fits,
    /// The key belongs to another instance, so every look-up would return users of that instance.
    OtherInstance,
    /// Clerk refuses the key.
    Refused,
    /// Clerk or the issuer did not answer.
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

    /// Creates a check that has already passed.
    #[cfg(test)]
    pub(super) fn proven(backend: Backend, keys: Keys) -> Self {
        Self {
            fits: Arc::new(OnceLock::from(())),
            ..Self::of(backend, keys)
        }
    }

    /// Compares the keys of the secret key's instance with the issuer's keys. After one successful
    /// comparison, no further request is sent. Runs on the I/O runtime.
    pub(super) async fn check(&self) -> SecretKeyCheck {
        if self.fits.get().is_some() {
            return SecretKeyCheck::Fits;
        }
        let published = match self.backend.keys().await {
            Ok(published) => published,
            Err(BackendKeysError::KeyRefused) => return SecretKeyCheck::Refused,
            Err(BackendKeysError::Unreachable) => return SecretKeyCheck::Unknown,
        };
        match self.keys.share_any(&published).await {
            Ok(true) => {
                self.fits.get_or_init(|| ());
                SecretKeyCheck::Fits
            }
            Ok(false) => SecretKeyCheck::OtherInstance,
            Err(_unavailable) => SecretKeyCheck::Unknown,
        }
    }
}
