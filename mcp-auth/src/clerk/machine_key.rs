//! The key of this server's machine.

use std::fmt;

/// The secret key of a machine. With this key, Clerk confirms only the tokens for that machine.
/// `Debug` hides the key, and the key is sent only to the Backend API.
#[derive(Clone)]
pub(crate) struct MachineKey(String);

/// The reason why a text is not a machine's key. The error does not repeat the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a machine's secret key begins with `ak_` and has no spaces")]
pub(crate) struct MachineKeyError;

impl MachineKey {
    /// Parses a key in the form that the dashboard shows.
    ///
    /// # Errors
    /// [`MachineKeyError`] if the text does not look like a machine's key.
    pub(crate) fn parse(text: &str) -> Result<Self, MachineKeyError> {
        let text = text.trim();
        let rest = text.strip_prefix("ak_").ok_or(MachineKeyError)?;
        if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MachineKeyError);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the key itself. Send it only to the Backend API.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MachineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let key = MachineKey::parse("ak_abc").unwrap();
        assert_eq!(format!("{key:?}"), "MachineKey([redacted])");
    }

    #[test]
    fn only_machine_keys_are_read_and_line_ends_are_forgiven() {
        assert_eq!(MachineKey::parse(" ak_a/b=\n").unwrap().expose(), "ak_a/b=");
        for text in ["", "ak_", "sk_test_abc", "mt_abc", "ak_a b", "ak_é"] {
            assert_eq!(
                MachineKey::parse(text).unwrap_err(),
                MachineKeyError,
                "{text}"
            );
        }
    }
}
