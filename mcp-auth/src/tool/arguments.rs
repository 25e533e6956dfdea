//! Arguments: from the raw bytes of `params.arguments` to the typed struct, with a path when they
//! do not fit.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, IgnoredAny};

/// A type that a tool can take by value: anything that serde reads and schemars describes.
///
/// It exists for its message, which is the first that somebody reads who forgot a `&`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a tool",
    label = "taken by value, so it would come from the client",
    note = "what the request or the server has is taken by reference: `&Org`, `&State<_>`",
    note = "a type of your own gets `#[mcp_auth::data]`"
)]
pub trait Argument {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema> Argument for T {}

/// Asks, where a type is declared, whether it is an `Argument`.
#[derive(Debug)]
pub struct IsArgument<T: Argument>(PhantomData<T>);

/// Reads the arguments of a call.
///
/// # Errors
///
/// A sentence that names the field and what is wrong with it.
pub(super) fn parse<T: DeserializeOwned>(raw: &Bytes) -> Result<T, String> {
    serde_json::from_slice(raw).map_err(|_| explain::<T>(raw))
}

/// Parses once more, now watching the path: only a call that failed pays for it.
#[cold]
fn explain<T: DeserializeOwned>(raw: &Bytes) -> String {
    let mut source = serde_json::Deserializer::from_slice(raw);
    match serde_path_to_error::deserialize::<_, T>(&mut source) {
        Err(error) => {
            let path = error.path().to_string();
            let message = without_position(&error.into_inner().to_string());
            if path == "." {
                format!("Invalid arguments: {message}")
            } else {
                format!("Invalid argument `{path}`: {message}")
            }
        }
        Ok(_) => "Invalid arguments".to_owned(),
    }
}

/// Refuses members that the schema of a flattened struct does not name.
///
/// # Errors
///
/// A sentence that names the unknown argument and the known ones.
pub(super) fn refuse_unknown(raw: &Bytes, known: &[String]) -> Result<(), String> {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(raw) else {
        return Ok(()); // No object: reading it as the struct says so.
    };
    match members.keys().find(|name| !known.contains(name)) {
        Some(name) => Err(format!(
            "Invalid arguments: unknown field `{name}`, expected one of `{}`",
            known.join("`, `")
        )),
        None => Ok(()),
    }
}

/// serde_json's "at line 1 column 9" counts within the arguments, which nobody can see.
fn without_position(message: &str) -> String {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        id: String,
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        n: u8,
    }

    fn error(text: &'static str) -> String {
        parse::<Outer>(&Bytes::from_static(text.as_bytes())).unwrap_err()
    }

    #[test]
    fn a_wrong_argument_is_named_by_its_path() {
        assert_eq!(
            error(r#"{"id": "a", "list": [{"n": 1}, {"n": 300}]}"#),
            "Invalid argument `list[1].n`: invalid value: integer `300`, expected u8"
        );
        assert_eq!(error(r"{}"), "Invalid arguments: missing field `id`");
    }

    #[test]
    fn unknown_and_duplicate_arguments_are_refused() {
        assert!(error(r#"{"id": "a", "dry_run": true}"#).contains("unknown field `dry_run`"));
        assert!(error(r#"{"id": "a", "id": "b"}"#).contains("duplicate field `id`"));
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = format!(r#"{{"id": {}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse::<Outer>(&Bytes::from(deep)).is_err());
        let deep = format!(r#"{{"x": {}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse::<serde_json::Value>(&Bytes::from(deep)).is_err());
    }

    #[test]
    fn members_that_a_schema_does_not_name_are_refused() {
        let known = ["id".to_owned()];
        assert!(refuse_unknown(&Bytes::from_static(br#"{"id": 1}"#), &known).is_ok());
        let error = refuse_unknown(&Bytes::from_static(br#"{"ID": 1}"#), &known).unwrap_err();
        assert!(error.contains("unknown field `ID`"), "{error}");
    }
}
