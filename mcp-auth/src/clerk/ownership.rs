//! The check that the secret key belongs to the issuer's instance.

use std::sync::{Arc, OnceLock};

use crate::clerk::backend::{Backend, BackendKeysError};
use crate::identity::Keys;

/// Checks that the secret key belongs to the instance whose tokens are accepted.
///
/// The key of another instance would confirm the opaque tokens of that instance, because opaque
/// tokens do not name their issuer.
#[derive(Clone, Debug)]
pub(super) struct Ownership {
    backend: Backend,
    /// The issuer's keys.
    keys: Keys,
    /// Set once the key is known to belong to the instance.
    fits: Arc<OnceLock<()>>,
}

/// The result of checking the secret key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SecretKeyCheck {
    /// The key belongs to the instance that issues the tokens, or there is no key.
    Fits,
    /// The key belongs to another instance, so every look-up would ask about strangers.
    OtherInstance,
    /// Clerk does not accept it.
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

    /// A check that has already passed.
    #[cfg(test)]
    pub(super) fn proven(backend: Backend, keys: Keys) -> Self {
        Self {
            fits: Arc::new(OnceLock::from(())),
            ..Self::of(backend, keys)
        }
    }

    /// Compares the keys that the secret key's instance has with the issuer's keys. Once they were
    /// the same, nothing is asked again. Runs on the I/O runtime.
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
