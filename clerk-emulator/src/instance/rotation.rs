//! Rotation and withdrawal of signing keys.

use std::sync::Arc;

use crate::error::Error;
use crate::instance::Instance;
use crate::keys::SigningKey;

impl Instance {
    /// Replaces the signing key by a key with a new id. The old key is removed from the JWKS, so
    /// tokens that it signed are no longer valid.
    ///
    /// # Errors
    /// - [`Error::KeyGeneration`]: the system has no randomness. The old key stays.
    pub fn rotate_key(&self) -> Result<(), Error> {
        self.sign_with(SigningKey::generate()?, |_| false)
    }

    /// Replaces the signing key by a key with the same id, and removes the old key from the JWKS. At Clerk this can
    /// happen too, because a key there has the id of its instance.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let (ids, keys) = (clerk.key_ids(), clerk.jwks());
    /// clerk.rotate_key_keeping_id()?;
    /// assert!(clerk.key_ids() == ids && clerk.jwks() != keys);
    /// # Ok::<(), clerk_emulator::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::KeyGeneration`]: the system has no randomness. The old key stays.
    pub fn rotate_key_keeping_id(&self) -> Result<(), Error> {
        let kid = String::from(self.read().key.kid());
        self.sign_with(SigningKey::generate_as(kid)?, |_| false)
    }

    /// Signs new tokens with a new key. Earlier keys stay in the JWKS until they are
    /// [withdrawn](Self::withdraw_key).
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let old = clerk.key_ids();
    /// clerk.rotate_key_overlapping()?;
    /// assert_eq!((clerk.key_ids().len(), clerk.key_ids().last()), (2, old.first()));
    /// assert!(clerk.withdraw_key(&old[0]) && !clerk.withdraw_key(&old[0]));
    /// assert_eq!(clerk.key_ids().len(), 1);
    /// # Ok::<(), clerk_emulator::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::KeyGeneration`]: the system has no randomness. The old key continues to sign.
    pub fn rotate_key_overlapping(&self) -> Result<(), Error> {
        self.sign_with(SigningKey::generate()?, |_| true)
    }

    fn sign_with(
        &self,
        key: SigningKey,
        keep: impl Fn(&Arc<SigningKey>) -> bool,
    ) -> Result<(), Error> {
        let public_key_pem = key.pem()?;
        let key = Arc::new(key);
        let mut state = self.write();
        state.published.retain(keep);
        state.published.insert(0, Arc::clone(&key));
        state.published.truncate(MAX_PUBLISHED);
        state.key = key;
        state.public_key_pem = public_key_pem;
        Ok(())
    }

    /// Removes a key from the JWKS. Returns whether the JWKS contained the key. The newest key
    /// continues to sign tokens after it was withdrawn, so that a test can send a token whose key
    /// is not published.
    pub fn withdraw_key(&self, kid: &str) -> bool {
        let mut state = self.write();
        let before = state.published.len();
        state.published.retain(|key| key.kid() != kid);
        state.published.len() < before
    }

    /// The ids of the keys in the JWKS, the newest first.
    #[must_use]
    pub fn key_ids(&self) -> Vec<String> {
        let state = self.read();
        let ids = state.published.iter().map(|key| String::from(key.kid()));
        ids.collect()
    }
}

/// The maximal number of keys in the JWKS. Adding another key removes the oldest key.
const MAX_PUBLISHED: usize = 16;
