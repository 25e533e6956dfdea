//! Deserializes the raw text of `params.arguments` into the typed struct of a function. Errors name
//! the path of the wrong value.

mod coercions;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzz;
pub(crate) mod header;
mod repair;
mod text;
mod values;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::Value;

use self::coercions::Coercions;
use self::repair::{misplaced, repaired};
use self::text::Name;
use super::declaration::ArgumentsForm;
use super::schema;
use super::violations::shortened;

pub use self::values::{Field, Values};

/// A type that a tool, a prompt or a resource can take by value: serde deserializes it, and schemars
/// describes it.
///
/// The trait exists for its error message. An author who forgot a `&` reads this message first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument",
    label = "taken by value, so it would come from the client",
    note = "values of the request or of the server are taken by reference: write `&Caller`, `&Context`, `&Notifier`, `&Org` or `&State<_>`",
    note = "annotate your own type with `#[mcp_auth::data]`"
)]
pub trait Argument {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema> Argument for T {}

/// A type that can be a field of a type with `#[data]`: serde reads and writes it, and schemars
/// describes it.
///
/// The trait exists for its error message. An author who forgot `#[data]` on the inner type reads
/// this message first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a type with `#[mcp_auth::data]`",
    label = "serde and schemars do not know this type",
    note = "annotate your own type with `#[mcp_auth::data]`, also a type that is used only inside another type",
    note = "the errors that follow have the same cause"
)]
pub trait DataField {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Serialize + JsonSchema> DataField for T {}

/// Checks, where a field is declared, that its type is a `DataField`.
#[derive(Debug)]
pub struct IsField<T: DataField>(PhantomData<T>);

/// Checks, where a parameter is declared, that its type is an `Argument`.
#[derive(Debug)]
pub struct IsArgument<T: Argument>(PhantomData<T>);

/// The type into which the arguments of a function are read: [`Values`], or a type that serde reads.
pub trait Arguments: Send + Sized + 'static {
    /// Returns the schema of the arguments.
    #[must_use]
    fn schema(form: &ArgumentsForm) -> Schema;

    /// Reads the arguments from JSON text.
    ///
    /// # Errors
    ///
    /// - A sentence for the client that names the argument and its mistake.
    fn parse(form: &ArgumentsForm, text: &str) -> Result<Self, String>;
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Arguments for T {
    fn schema(_: &ArgumentsForm) -> Schema {
        schema::input::<T>()
    }

    fn parse(_: &ArgumentsForm, text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|_| explained::<T>(text, ""))
    }
}

/// Reads the arguments of one tool, prompt or resource.
#[derive(Debug)]
pub(super) struct ArgumentReader {
    form: ArgumentsForm,
    /// The schema of the arguments. For a tool, `tools/list` shows it.
    pub(super) schema: Value,
    known: Option<Vec<String>>,
    lenient: bool,
    /// True if serde might accept a list or an object for a value whose schema permits neither.
    has_structures: bool,
    /// True if serde would read `null` as `None` for an argument whose default is not `None`.
    null_hides_default: bool,
    coercions: Coercions,
}

impl ArgumentReader {
    /// Makes a reader. `known` lists the names of the arguments, if the type itself
    /// does not refuse unknown arguments.
    pub(super) fn new(
        form: ArgumentsForm,
        generated: &Value,
        schema: Value,
        known: Option<Vec<String>>,
        lenient: bool,
    ) -> Self {
        Self {
            form,
            has_structures: has_structures(&schema),
            null_hides_default: null_hides_default(generated),
            schema,
            known,
            lenient,
            coercions: Coercions::default(),
        }
    }

    /// Reads the arguments of a call.
    ///
    /// # Errors
    ///
    /// Returns a sentence that names the wrong argument and its mistake.
    pub(super) fn read<T: Arguments>(&self, tool: &'static str, raw: &str) -> Result<T, String> {
        let mut read = None;
        self.read_with(tool, raw, &mut |text| {
            read = Some(T::parse(&self.form, text)?);
            Ok(())
        })?;
        read.ok_or_else(|| "Invalid arguments".to_owned())
    }

    /// Calls `parse` with the text as written, or with the repaired text. Not generic, so that it is compiled once.
    fn read_with(
        &self,
        tool: &'static str,
        raw: &str,
        parse: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<(), String> {
        let may_be_misread = self.null_hides_default && raw.contains("null");
        if !may_be_misread
            && self.misplaced(raw).is_none()
            && self.refuse_unknown(raw).is_ok()
            && parse(raw).is_ok()
        {
            return Ok(());
        }
        self.read_repaired(tool, raw, parse)
    }

    fn misplaced(&self, text: &str) -> Option<String> {
        if !self.has_structures {
            return None;
        }
        misplaced(text, &self.schema)
    }

    fn refuse_unknown(&self, raw: &str) -> Result<(), String> {
        match &self.known {
            Some(known) => refuse_unknown(raw, known),
            None => Ok(()),
        }
    }

    /// Runs only for a call whose arguments serde cannot read unchanged, so that other calls do not pay for this work.
    #[cold]
    fn read_repaired(
        &self,
        tool: &'static str,
        raw: &str,
        parse: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<(), String> {
        let text = match repaired(raw, &self.schema, self.lenient) {
            Some((text, repairs)) => {
                self.coercions.count(tool, repairs);
                Cow::Owned(text)
            }
            None => Cow::Borrowed(raw),
        };
        self.refuse_unknown(&text)?;
        if let Some(error) = self.misplaced(&text) {
            return Err(error);
        }
        parse(&text)
    }
}

/// Returns true if a schema inside this schema describes an object or an enum variant. serde also
/// reads a struct from a list, and a variant from an object.
fn has_structures(schema: &Value) -> bool {
    let is_structure = |schema: &Value| {
        let keywords = ["$ref", "enum", "properties"];
        schema.get("type") == Some(&"object".into())
            || keywords.iter().any(|keyword| schema.get(keyword).is_some())
    };
    let found = |schema: &Value| is_structure(schema) || has_structures(schema);
    match schema {
        Value::Object(members) => members.values().any(found),
        Value::Array(schemas) => schemas.iter().any(found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Returns true if an optional argument accepts `null` and has a default other than `null`. serde
/// reads `null` as `None`, but clients that send `null` mean that the argument is absent.
fn null_hides_default(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let default = members.get("default");
            let is_nullable = match members.get("type") {
                Some(Value::Array(types)) => types.iter().any(|ty| ty == "null"),
                _ => members.get("anyOf").is_some(),
            };
            default.is_some_and(|default| !default.is_null()) && is_nullable
                || members.values().any(null_hides_default)
        }
        Value::Array(items) => items.iter().any(null_hides_default),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Parses a value again, and records the path of the error. `name` is the name of the argument that has the value. For
/// the object of all arguments, `name` is empty. The text may continue after the value. Runs only for a call that
/// failed.
#[cold]
fn explained<T: DeserializeOwned>(text: &str, name: &str) -> String {
    let mut source = serde_json::Deserializer::from_str(text);
    let found = serde_path_to_error::deserialize::<_, T>(&mut source).map(drop);
    let found = found.map_err(|error| (error.path().to_string(), error.into_inner()));
    sentence(name, found.err())
}

fn sentence(name: &str, found: Option<(String, serde_json::Error)>) -> String {
    let Some((path, error)) = found else {
        return "Invalid arguments".to_owned();
    };
    let path = match (name, path.as_str()) {
        ("", path) => path.to_owned(),
        (name, ".") => name.to_owned(),
        (name, path) if path.starts_with('[') => format!("{name}{path}"),
        (name, path) => format!("{name}.{path}"),
    };
    let message = without_position(&error.to_string());
    if path == "." {
        format!("Invalid arguments: {message}")
    } else {
        format!("Invalid argument `{}`: {message}", shortened(&path))
    }
}

/// Refuses arguments that the schema of a flattened struct does not name.
///
/// # Errors
///
/// Returns a sentence that names the unknown argument and the known arguments.
fn refuse_unknown(raw: &str, known: &[String]) -> Result<(), String> {
    let mut members = serde_json::Deserializer::from_str(raw);
    match members.deserialize_map(FirstUnknown(known)) {
        Ok(Some(name)) => Err(format!(
            "Invalid arguments: unknown field `{name}`, expected one of `{}`",
            known.join("`, `")
        )),
        // Deserializing the struct will report the error.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Finds the unknown members, and returns the name that comes first in the alphabet.
struct FirstUnknown<'a>(&'a [String]);

impl<'de> Visitor<'de> for FirstUnknown<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arguments")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut first: Option<String> = None;
        while let Some((Name(name), IgnoredAny)) = members.next_entry()? {
            let known = self.0.iter().any(|known| *known == name);
            if !known && first.as_deref().is_none_or(|first| *name < *first) {
                first = Some(name.into_owned());
            }
        }
        Ok(first)
    }
}

/// Removes serde_json's "at line 1 column 9". The position is relative to the arguments and not to the request, so it does
/// not help the client.
fn without_position(message: &str) -> String {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, JsonSchema, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        id: String,
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[derive(Debug, JsonSchema, serde::Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        n: u8,
    }

    fn parse<T: Arguments>(text: &str) -> Result<T, String> {
        ArgumentReader::new(
            ArgumentsForm::Struct,
            &Value::Null,
            Value::Null,
            None,
            false,
        )
        .read("tool", text)
    }

    fn error(text: &str) -> String {
        parse::<Outer>(text).unwrap_err()
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
        assert!(parse::<Outer>(&deep).is_err());
        let deep = format!(r#"{{"x": {}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse::<Value>(&deep).is_err());
    }

    #[test]
    fn members_that_a_schema_does_not_name_are_refused() {
        let known = ["id".to_owned(), "x".to_owned()];
        for raw in [
            r#"{"id": 1}"#,
            r#"{"id": 1, "i\u0064": 2, "x": {"y": [{}]}}"#,
            // Deserializing the struct will report the error.
            r#"{"ID": 1"#,
            "[1]",
        ] {
            assert_eq!(refuse_unknown(raw, &known), Ok(()), "{raw}");
        }
        for (raw, unknown) in [
            (r#"{"ID": 1}"#, "ID"),
            (r#"{"y": 1, "id": 1, "a\u0062": 2, "b": 2}"#, "ab"),
        ] {
            let expected =
                format!("Invalid arguments: unknown field `{unknown}`, expected one of `id`, `x`");
            assert_eq!(refuse_unknown(raw, &known), Err(expected), "{raw}");
        }
    }
}
