//! Collects every mistake of one item, so that a user sees all of them at once, and finds the word
//! that a misspelt one was meant to be.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far, in the order of the source as long as readers push in that order.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds a mistake, underlining exactly `tokens`.
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

    /// The value of a result, or nothing after its mistake was noted.
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

/// `; did you mean `permission`?` where one of `accepted` is close to `word`, else nothing.
pub(crate) fn did_you_mean(word: &str, accepted: &[&str]) -> String {
    // A third of the letters: more would suggest `name` for `any`.
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
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}

/// `` `a`, `b` `` for a note that lists what is accepted.
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
