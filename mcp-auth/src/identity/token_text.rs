//! Texts of tokens that are sent to their issuer.

use std::fmt;
use std::sync::Arc;

/// The text of a token, for requests to the issuer. `Debug` hides the text.
#[derive(Clone)]
pub(crate) struct TokenText(Arc<str>);

impl TokenText {
    pub(crate) fn new(token: &str) -> Self {
        Self(token.into())
    }

    /// Returns the token itself. Send it only to its issuer.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_text_of_a_token() {
        assert_eq!(
            format!("{:?}", TokenText::new("oat_secret")),
            "TokenText([redacted])"
        );
    }
}
