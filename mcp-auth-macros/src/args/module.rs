//! Parses the text between the parentheses of `module_guard!(…)`.

use proc_macro2::TokenStream;
use syn::Path;

use crate::{
    entry::Entry,
    errors::{Errors, did_you_mean, listed},
    primitive::Primitive,
};

use super::{GUARD_KEYS, GuardArgs, read_entries};

/// The values of the keys of `module_guard!`.
#[derive(Debug, Default)]
pub(crate) struct ModuleArgs {
    pub(crate) guard: GuardArgs,
    pub(crate) krate: Option<Path>,
}

impl ModuleArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let keys = [&GUARD_KEYS[..], &["crate"]].concat();
        let unknown = |key: &str| unknown_key(key, &keys);
        read_entries(tokens, &keys, &unknown, errors, |key, entry, errors| {
            args.take(key, entry, errors);
        });
        args
    }

    fn take(&mut self, key: &str, entry: Entry, errors: &mut Errors) {
        if key == "crate" {
            self.krate = errors.keep(entry.path());
        } else {
            self.guard.take(key, entry, errors);
        }
    }
}

fn unknown_key(key: &str, keys: &[&str]) -> String {
    let accepted = listed(keys);
    if Primitive::has_key(key) {
        return format!(
            "`{key}` is stated at each function, and cannot be stated for a module\nnote: `module_guard!` takes {accepted}"
        );
    }
    format!(
        "unknown key `{key}`{}\nnote: accepted are {accepted}",
        did_you_mean(key, keys)
    )
}
