//! The formats that an identity provider gives to ids and tokens.

use crate::identity::error::TokenError;
use crate::identity::token_kind::TokenKind;

/// The prefixes and hints of an identity provider. The provider passes them to this module, so that this module depends
/// on no provider.
#[derive(Debug)]
pub(crate) struct Conventions {
    /// The prefix of users' ids.
    pub(crate) user: &'static str,
    /// The prefix of organizations' ids.
    pub(crate) organization: &'static str,
    /// The prefix of machines' ids.
    pub(crate) machine: &'static str,
    /// The prefixes of opaque tokens.
    pub(crate) opaque_tokens: &'static [(&'static str, TokenKind)],
    /// The prefix of the ids of a local emulator's keys.
    pub(crate) emulator_key: &'static str,
    /// Texts for the log about refusals that depend on a setting. Each text says how to accept tokens that were refused
    /// for this reason.
    pub(crate) hints: &'static [(TokenError, &'static str)],
}

impl Conventions {
    /// Returns the text for this reason. `None` if the refusal does not depend on a setting.
    pub(crate) fn hint(&self, error: TokenError) -> Option<&'static str> {
        let (_, hint) = self.hints.iter().find(|(own, _)| *own == error)?;
        Some(hint)
    }

    /// Returns the kind of an opaque token. `None` if the text may be a JWT. Only the prefix decides, never the length
    /// or the alphabet.
    pub(crate) fn opaque_kind(&self, token: &str) -> Option<TokenKind> {
        let mut prefixes = self.opaque_tokens.iter();
        let (_, kind) = prefixes.find(|(prefix, _)| token.starts_with(prefix))?;
        Some(*kind)
    }

    /// Returns true if a token of this kind may have this subject. An id that consists only of a prefix is refused.
    pub(crate) fn is_subject_of(&self, kind: TokenKind, subject: &str) -> bool {
        let prefixes: &[&str] = match kind {
            TokenKind::ApiKey => &[self.user, self.organization],
            TokenKind::M2m => &[self.machine],
            TokenKind::OAuth | TokenKind::Session => &[self.user],
        };
        let ids = prefixes
            .iter()
            .find_map(|prefix| subject.strip_prefix(prefix));
        ids.is_some_and(|rest| !rest.is_empty())
    }
}
