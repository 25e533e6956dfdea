//! Clerk's ids, and the short names in a directory file.

use std::borrow::Borrow;

/// The full id. The argument is a name, or already the full id. A name never starts with the prefix of an id, so
/// the result is unambiguous.
pub(super) fn full_id(prefix: &str, name_or_id: &str) -> String {
    format!("{prefix}{}", short_name(prefix, name_or_id))
}

pub(super) fn short_name<'a>(prefix: &str, id: &'a str) -> &'a str {
    id.strip_prefix(prefix).unwrap_or(id)
}

/// The id of a machine given by name or id.
pub(crate) fn machine_id(name_or_id: &str) -> String {
    full_id("mch_", name_or_id)
}

/// The key of a role given as `admin` or `org:admin`.
pub(super) fn role_key(role: &str) -> String {
    full_id("org:", role)
}

/// The display name of a role's key: `Billing manager` for `org:billing_manager`.
pub(crate) fn role_name(key: &str) -> String {
    let mut characters = short_name("org:", key)
        .chars()
        .map(|character| if character == '_' { ' ' } else { character });
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// Writes names for an error message, separated by commas. Writes `none` if there are no names.
pub(crate) fn join<S: Borrow<str>>(names: impl Iterator<Item = S>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        String::from("none")
    } else {
        names.join(", ")
    }
}
