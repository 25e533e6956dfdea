//! Collects all mistakes of one item, so that the author sees all of them at once. Also suggests
//! the right word for a misspelt word.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far. They have the order of the source if the parsers add them in this order.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds a mistake that underlines exactly `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        if let Some(error) = other.0 {
            self.push(error);
        }
    }

    /// Returns the value of a result. If the result is an error, adds the error and returns `None`.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn finish(self) -> TokenStream {
        self.0
            .map_or_else(TokenStream::new, |error| error.into_compile_error())
    }
}

/// Returns `; did you mean `permission`?` if a word of `accepted` is similar to `word`, and otherwise an empty text.
pub(crate) fn did_you_mean(word: &str, accepted: &[&str]) -> String {
    nearest(word, accepted).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Returns the word of `accepted` that is most similar to `word`.
pub(crate) fn nearest<'a>(word: &str, accepted: &[&'a str]) -> Option<&'a str> {
    // At most a third of the letters may differ. With a larger share, `name` would be suggested for `any`.
    let allowed = word.chars().count() / 3;
    let lower = word.to_ascii_lowercase();
    accepted
        .iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_ascii_lowercase()),
                name,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| *name)
}

/// Writes names as `` `a`, `b` ``, for a note that lists the accepted words.
pub(crate) fn listed(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_one_letter_off_is_suggested() {
        assert_eq!(
            did_you_mean("permision", &["name", "permission"]),
            "; did you mean `permission`?"
        );
        assert_eq!(
            did_you_mean("camelcase", &["camelCase"]),
            "; did you mean `camelCase`?"
        );
    }

    #[test]
    fn a_different_word_is_not_suggested() {
        assert_eq!(did_you_mean("any", &["name", "scope"]), "");
        assert_eq!(did_you_mean("confirm", &["name", "permission"]), "");
    }
}
