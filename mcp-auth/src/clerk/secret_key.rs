//! The key for Clerk's Backend API.

use std::fmt;

use crate::clerk::Instance;

/// A secret key. `Debug` hides the key, and the key is sent only to the Backend API.
#[derive(Clone)]
pub(crate) struct SecretKey {
    text: String,
    instance: Instance,
}

/// The reason why a text is not a secret key. The error does not repeat the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a Clerk secret key begins with `sk_test_` or `sk_live_` and has no spaces")]
pub(crate) struct SecretKeyError;

impl SecretKey {
    /// Parses a key in the form that the dashboard shows.
    ///
    /// # Errors
    /// [`SecretKeyError`] if the text does not look like a secret key. Without this check, another
    /// secret in this setting would be sent to Clerk with every request.
    pub(crate) fn parse(text: &str) -> Result<Self, SecretKeyError> {
        let text = text.trim();
        let (instance, rest) = if let Some(rest) = text.strip_prefix("sk_test_") {
            (Instance::Development, rest)
        } else if let Some(rest) = text.strip_prefix("sk_live_") {
            (Instance::Production, rest)
        } else {
            return Err(SecretKeyError);
        };
        if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretKeyError);
        }
        Ok(Self {
            text: text.to_owned(),
            instance,
        })
    }

    /// Returns the kind of instance to which the key belongs.
    pub(crate) fn instance(&self) -> Instance {
        self.instance
    }

    /// Returns the key itself. Send it only to the Backend API.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let key = SecretKey::parse("sk_test_abc").unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey([redacted])");
    }

    #[test]
    fn only_secret_keys_are_read_and_line_ends_are_forgiven() {
        assert_eq!(
            SecretKey::parse(" sk_live_abc\n").unwrap().expose(),
            "sk_live_abc"
        );
        assert_eq!(
            SecretKey::parse("sk_live_abc").unwrap().instance(),
            Instance::Production
        );
        assert_eq!(
            SecretKey::parse("sk_test_abc").unwrap().instance(),
            Instance::Development
        );
        for text in [
            "",
            "sk_test_",
            "sk_abc",
            "pk_test_abc",
            "ak_abc",
            "sk_test_a b",
            "sk_test_é",
        ] {
            assert_eq!(
                SecretKey::parse(text).unwrap_err(),
                SecretKeyError,
                "{text}"
            );
        }
    }
}
