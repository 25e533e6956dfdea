//! Reports arguments that break the rules of the application. Errors use the names that the client
//! uses.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::marker::PhantomData;

use serde_json::{Map, Value};

/// The rules that the arguments break, with the messages of the validator.
#[derive(Debug)]
pub struct Violations {
    found: Vec<(String, String)>,
    more: usize,
    names: &'static [(&'static str, Option<&'static str>)],
}

impl Violations {
    /// Collects the paths and messages of `found`. `names` lists the fields whose name differs for clients, with the
    /// name that clients see. Clients see no name for a flattened field.
    pub fn new(
        mut found: impl Iterator<Item = (impl Display, impl Display)>,
        names: &'static [(&'static str, Option<&'static str>)],
    ) -> Self {
        let first = found.by_ref().take(MOST);
        let first = first.map(|(path, message)| (shortened(&path), message.to_string()));
        Self {
            found: first.collect(),
            more: found.count(),
            names,
        }
    }

    /// Returns the error for the client. `schema` is the schema of the arguments.
    pub(super) fn text(&self, schema: &Value) -> String {
        let told: Vec<_> = self
            .found
            .iter()
            .map(|(path, message)| (spelled(path, self.names, schema), message))
            .collect();
        if let ([(path, message)], 0) = (told.as_slice(), self.more)
            && !path.is_empty()
        {
            return format!("Invalid argument `{path}`: {message}");
        }
        let mut told: Vec<_> = told
            .iter()
            .map(|(path, message)| match path.as_str() {
                "" => (*message).clone(),
                path => format!("`{path}`: {message}"),
            })
            .collect();
        if self.more > 0 {
            told.push(format!("and {} more", self.more));
        }
        format!("Invalid arguments: {}", told.join("; "))
    }
}

/// Marks a type with rules: a type of `#[data]` that declares rules, or that contains a type with rules.
pub trait HasRules {}

impl<T: HasRules> HasRules for Box<T> {}
impl<T: HasRules> HasRules for Option<T> {}
impl<T: HasRules> HasRules for Vec<T> {}
impl<T: HasRules, const N: usize> HasRules for [T; N] {}
impl<K, T: HasRules> HasRules for BTreeMap<K, T> {}
impl<K, T: HasRules, S> HasRules for HashMap<K, T, S> {}

/// Has a constant that is true if a type has rules: `Rules::<T>::DECLARED`, with [`NoRules`] in
/// scope.
#[derive(Debug)]
pub struct Rules<T>(PhantomData<T>);

impl<T: HasRules> Rules<T> {
    /// `true`. This inherent constant takes precedence over the constant of the trait.
    pub const DECLARED: bool = true;
}

/// Implemented for every type. Its constant applies to types without [`HasRules`].
pub trait NoRules {
    /// `false`, because the type has no rules.
    const DECLARED: bool = false;
}

impl<T> NoRules for Rules<T> {}

/// Asserts that every declared rule is enforced. Without this check, a rule could be in the schema although nothing
/// enforces it.
///
/// # Panics
///
/// Panics if a rule is not enforced. In a `const`, the panic is a compile error.
#[track_caller]
#[expect(
    clippy::panic,
    reason = "the compile error of a rule that is passed over"
)]
pub const fn check_undived(declared: bool) {
    if declared {
        panic!("this type has rules that are not enforced here: write `#[garde(dive)]` before it");
    }
}

/// Shortens a path for a message. A path can be long, because the client chooses the keys of a map.
pub(super) fn shortened(path: &impl Display) -> String {
    let path = path.to_string();
    match path.char_indices().nth(LONGEST) {
        Some((end, _)) => path.get(..end).unwrap_or_default().to_owned() + "…",
        None => path,
    }
}

/// Translates a path of Rust names, such as `page.page_size[2]`, into the names that the client
/// uses.
fn spelled(path: &str, names: &[(&str, Option<&str>)], schema: &Value) -> String {
    let root = schema.as_object();
    let mut at = root;
    let mut told = String::new();
    for (depth, step) in steps(path).iter().enumerate() {
        let Some(key) = step.strip_prefix('.') else {
            told.push_str(step);
            at = at.and_then(|at| resolved(root, at.get("items")));
            continue;
        };
        let name = match names.iter().find(|(field, _)| depth == 0 && *field == key) {
            // For the client, the fields of a flattened struct belong to the surrounding struct.
            Some((_, None)) => continue,
            Some((_, Some(name))) => name,
            None => known_as(key, at).unwrap_or_else(|| key.trim_start_matches("r#")),
        };
        let properties = at.and_then(|at| at.get("properties")?.as_object());
        let next = properties.and_then(|properties| properties.get(name));
        at = next.and_then(|next| resolved(root, Some(next)));
        if !told.is_empty() {
            told.push('.');
        }
        told.push_str(name);
    }
    told
}

/// Splits a path: `a.b[0].c` into `.a`, `.b`, `[0]`, `.c`.
fn steps(path: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let mut start = !path.starts_with('[');
    for letter in path.chars() {
        match (letter, steps.last_mut()) {
            ('.' | '[', _) => {
                steps.push(letter.to_string());
                start = false;
                continue;
            }
            (_, Some(step)) if !start => step.push(letter),
            _ => steps.push(format!(".{letter}")),
        }
        start = false;
    }
    steps
}

/// Returns the property name that `rename_all` gives to a field. `rename_all` changes only case and
/// separators.
fn known_as<'a>(field: &str, at: Option<&'a Map<String, Value>>) -> Option<&'a str> {
    let plain = |name: &str| {
        let letters = name.trim_start_matches("r#").chars();
        let letters = letters.filter(|letter| !matches!(letter, '_' | '-'));
        letters.collect::<String>().to_lowercase()
    };
    let properties = at?.get("properties")?.as_object()?;
    let mut candidates = properties.keys().filter(|name| plain(name) == plain(field));
    let found = properties.get_key_value(field).map(|(name, _)| name);
    found.or_else(|| candidates.next()).map(String::as_str)
}

/// Follows the reference of a schema, and ignores an alternative `null`.
fn resolved<'a>(
    root: Option<&'a Map<String, Value>>,
    schema: Option<&'a Value>,
) -> Option<&'a Map<String, Value>> {
    let schema = schema?.as_object()?;
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.strip_prefix("#/$defs/")?;
        return root?.get("$defs")?.get(name)?.as_object();
    }
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(either) => either.iter().find_map(|one| {
            let members = one.as_object()?;
            let is_object = ["$ref", "properties"]
                .iter()
                .any(|key| members.contains_key(*key));
            is_object.then(|| resolved(root, Some(one)))?
        }),
        None => Some(schema),
    }
}

/// The largest number of violations in a message. A client may send a long list of wrong values.
const MOST: usize = 20;

/// The largest length of a path in a message, in characters.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "properties": {
                "documentId": { "type": "string" },
                "pages": { "type": "array", "items": { "$ref": "#/$defs/Page" } },
                "page": { "anyOf": [{ "$ref": "#/$defs/Page" }, { "type": "null" }] },
            },
            "$defs": { "Page": { "properties": { "page-size": {}, "type": {} } } },
        })
    }

    #[test]
    fn paths_are_spelled_as_the_client_spells_them() {
        let names = [("document_id", Some("documentId")), ("all", None)];
        for (path, expected) in [
            ("document_id", "documentId"),
            ("document_id[1]", "documentId[1]"),
            ("pages[1].page_size", "pages[1].page-size"),
            ("page.page_size", "page.page-size"),
            ("pages[0].r#type", "pages[0].type"),
            ("all.documentId", "documentId"),
            ("all.pages[2].page_size", "pages[2].page-size"),
            ("unknown.document_id", "unknown.document_id"),
            ("", ""),
        ] {
            assert_eq!(spelled(path, &names, &schema()), expected, "{path}");
        }
    }

    #[test]
    fn one_violation_is_a_sentence_and_several_are_a_list() {
        let violations =
            |found: &[(&str, &str)]| Violations::new(found.iter().copied(), &[]).text(&schema());
        assert_eq!(
            violations(&[("title", "too long")]),
            "Invalid argument `title`: too long"
        );
        assert_eq!(
            violations(&[("title", "too long"), ("", "no sum")]),
            "Invalid arguments: `title`: too long; no sum"
        );
    }

    #[test]
    fn of_many_violations_the_first_are_told() {
        let found = (0..1000).map(|index| (format!("list[{index}]"), "too long"));
        let told = Violations::new(found, &[]).text(&schema());
        assert!(
            told.ends_with("`list[19]`: too long; and 980 more"),
            "{told}"
        );
        let found = [("é".repeat(100_000), "too long")].into_iter();
        let told = Violations::new(found, &[]).text(&schema());
        assert!(told.ends_with("é…`: too long"), "{told}");
        assert!(told.len() < 600, "{told}");
    }
}
