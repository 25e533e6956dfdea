//! Reads the arguments of a function into a tuple with a value for each parameter. The names of the arguments are data.
//! The code is generic only in the types of the values, so functions with different parameters share most of the code,
//! and compile faster than with a derived type for each function.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::Error as MissingError;
use serde::de::{DeserializeOwned, Error, IgnoredAny, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Map, Value};

use super::super::declaration::ArgumentsForm;
use super::super::schema;
use super::super::violations::shortened;
use super::text::{self, decoded};
use super::{Arguments, explained};

/// A parameter that is taken by value: the name, the description and the schema of the argument.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    description: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
    is_optional: fn() -> bool,
}

impl Field {
    /// Describes a parameter of type `T`.
    #[must_use]
    pub const fn of<T: DeserializeOwned + JsonSchema>(
        name: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            name,
            description,
            schema: SchemaGenerator::subschema_for::<T>,
            is_optional: is_optional::<T>,
        }
    }
}

/// The arguments of a function: a tuple with a value for each parameter that is taken by value.
#[derive(Debug)]
pub struct Values<T>(pub T);

macro_rules! values {
    ($($index:tt $value:ident)*) => {
        impl<$($value: DeserializeOwned + Send + 'static),*> Arguments for Values<($($value,)*)> {
            fn schema(form: &ArgumentsForm) -> Schema {
                object(form)
            }

            fn parse(form: &ArgumentsForm, text: &str) -> Result<Self, String> {
                let mut reader = Reader::new(form, text);
                let mut values = ($(None::<$value>,)*);
                while let Some(index) = reader.next()? {
                    match index {
                        $($index => reader.read(&mut values.$index)?,)*
                        _ => reader.skip(&mut values)?,
                    }
                }
                Ok(Self(($(reader.finish($index, values.$index)?,)*)))
            }
        }
    };
}

values!();
values!(0 A);
values!(0 A 1 B);
values!(0 A 1 B 2 C);
values!(0 A 1 B 2 C 3 D);
values!(0 A 1 B 2 C 3 D 4 E);
values!(0 A 1 B 2 C 3 D 4 E 5 F);
values!(0 A 1 B 2 C 3 D 4 E 5 F 6 G);
values!(0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H);

/// Returns the schema of the argument object.
fn object(form: &ArgumentsForm) -> Schema {
    let (fields, open) = fields(form);
    let mut generator = schema::settings().into_generator();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields {
        let mut property = (field.schema)(&mut generator);
        describe(&mut property, field.description);
        properties.insert(field.name.to_owned(), property.into());
        if !(field.is_optional)() {
            required.push(Value::from(field.name));
        }
    }
    let mut object = Map::new();
    object.insert("type".to_owned(), "object".into());
    if !properties.is_empty() {
        object.insert("properties".to_owned(), properties.into());
    }
    if !required.is_empty() {
        object.insert("required".to_owned(), required.into());
    }
    if !open {
        object.insert("additionalProperties".to_owned(), false.into());
    }
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        object.insert("$defs".to_owned(), definitions.into());
    }
    object.into()
}

/// Adds the doc comment of a parameter, as schemars adds the doc comment of a field. A heading at the beginning of the
/// comment is the title.
fn describe(property: &mut Schema, text: &str) {
    let text = text.trim();
    let (title, description) = match text.strip_prefix('#') {
        Some(_) => text.split_once('\n').unwrap_or((text, "")),
        None => ("", text),
    };
    let title = title.trim_start_matches('#').trim();
    for (keyword, text) in [("title", title), ("description", description.trim())] {
        if !text.is_empty() {
            property.insert(keyword.to_owned(), text.into());
        }
    }
}

fn fields(form: &ArgumentsForm) -> (&'static [Field], bool) {
    match *form {
        ArgumentsForm::Values { fields, open } => (fields, open),
        ArgumentsForm::Generated | ArgumentsForm::Struct => (&[], false),
    }
}

/// Reads the members of an object one after the other. Its errors are sentences for the client.
struct Reader<'a> {
    fields: &'static [Field],
    open: bool,
    text: &'a str,
    /// The text that is not read yet.
    rest: &'a str,
    /// The field whose value is next.
    current: usize,
}

impl<'a> Reader<'a> {
    fn new(form: &ArgumentsForm, text: &'a str) -> Self {
        let (fields, open) = fields(form);
        let rest = text.trim_ascii_start();
        Self {
            fields,
            open,
            text,
            rest,
            current: 0,
        }
    }

    /// Reads the name of the next member, and returns the index of its field. If the member is unknown and ignored,
    /// the index is the number of fields. `None` at the end of the object.
    fn next(&mut self) -> Result<Option<usize>, String> {
        let rest = self.rest.trim_ascii_start();
        let rest = match rest.as_bytes().first() {
            Some(b'{' | b',') => rest.get(1..).unwrap_or_default().trim_ascii_start(),
            Some(b'}') => rest,
            Some(_) | None => return Err(self.malformed()),
        };
        match rest.as_bytes().first() {
            Some(b'}') => return Ok(None),
            Some(b'"') => {}
            Some(_) | None => return Err(self.malformed()),
        }
        let mut after = rest;
        let written = text::string(&mut after).ok_or_else(|| self.malformed())?;
        let name = match written.get(1..written.len() - 1) {
            Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
            Some(_) | None => decoded(written).ok_or_else(|| self.malformed())?,
        };
        let value = after.trim_ascii_start().strip_prefix(':');
        self.rest = value.ok_or_else(|| self.malformed())?;
        let index = self.fields.iter().position(|field| field.name == name);
        if index.is_none() && !self.open {
            return Err(self.unknown(&name));
        }
        self.current = index.unwrap_or(self.fields.len());
        Ok(Some(self.current))
    }

    /// Reads the value of a member.
    fn read<T: DeserializeOwned>(&mut self, value: &mut Option<T>) -> Result<(), String> {
        if value.is_some() {
            let error = serde_json::Error::duplicate_field(self.name());
            return Err(format!("Invalid arguments: {error}"));
        }
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<T>();
        match values.next() {
            Some(Ok(read)) => {
                *value = Some(read);
                self.pass(values.byte_offset());
                Ok(())
            }
            Some(Err(_)) | None => Err(explained::<T>(self.rest, self.name())),
        }
    }

    /// Ignores the value of an unknown member.
    fn skip<T>(&mut self, _: &mut T) -> Result<(), String> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(IgnoredAny)) => {
                self.pass(values.byte_offset());
                Ok(())
            }
            Some(Err(_)) | None => Err(self.malformed()),
        }
    }

    /// Returns the value of a field, or the value for an absent argument.
    fn finish<T: DeserializeOwned>(&self, index: usize, value: Option<T>) -> Result<T, String> {
        match value {
            Some(value) => Ok(value),
            None => self.absent(index),
        }
    }

    #[cold]
    fn absent<T: DeserializeOwned>(&self, index: usize) -> Result<T, String> {
        let name = self.fields.get(index).map_or("", |field| field.name);
        let absent = T::deserialize(Missing(name));
        absent.map_err(|error| format!("Invalid arguments: {error}"))
    }

    fn pass(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    fn name(&self) -> &'static str {
        self.fields.get(self.current).map_or("", |field| field.name)
    }

    #[cold]
    fn unknown(&self, name: &str) -> String {
        let names: Vec<_> = self
            .fields
            .iter()
            .map(|field| format!("`{}`", field.name))
            .collect();
        let expected = match names.as_slice() {
            [] => "there are no fields".to_owned(),
            [only] => format!("expected {only}"),
            [first, second] => format!("expected {first} or {second}"),
            names => format!("expected one of {}", names.join(", ")),
        };
        let path = shortened(&name);
        format!("Invalid argument `{path}`: unknown field `{name}`, {expected}")
    }

    #[cold]
    fn malformed(&self) -> String {
        match serde_json::from_str::<Map<String, Value>>(self.text) {
            Err(error) => format!(
                "Invalid arguments: {}",
                super::without_position(&error.to_string())
            ),
            Ok(_) => "Invalid arguments".to_owned(),
        }
    }
}

fn is_optional<T: DeserializeOwned>() -> bool {
    T::deserialize(Missing("")).is_ok()
}

/// Deserializes the value of an absent argument, as serde does for an absent field: an `Option` is `None`, and any
/// other type is an error.
struct Missing(&'static str);

impl<'de> Deserializer<'de> for Missing {
    type Error = MissingError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, MissingError> {
        Err(MissingError::missing_field(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MissingError> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    const FIELDS: &[Field] = &[
        Field::of::<String>("id", " The id.\n"),
        Field::of::<Option<u8>>("most", "# Limit\n\nHow many."),
        Field::of::<Vec<BTreeMap<String, bool>>>("flags", ""),
    ];

    type Three = Values<(String, Option<u8>, Vec<BTreeMap<String, bool>>)>;

    fn parse_with(open: bool, text: &str) -> Result<String, String> {
        let form = ArgumentsForm::Values {
            fields: FIELDS,
            open,
        };
        Three::parse(&form, text).map(|Values(values)| format!("{values:?}"))
    }

    fn parse(text: &str) -> Result<String, String> {
        parse_with(false, text)
    }

    #[test]
    fn values_are_read_in_any_order_and_spelling() {
        for text in [
            r#"{"id":"a","most":3,"flags":[{"x":true}]}"#,
            r#" { "flags" : [ { "x" : true } ] , "\u006dost" : 3 , "id" : "\u0061" } "#,
        ] {
            let read = parse(text);
            assert_eq!(read.unwrap(), r#"("a", Some(3), [{"x": true}])"#, "{text}");
        }
        for text in [
            r#"{"id":"","flags":[]}"#,
            r#"{"id":"","most":null,"flags":[]}"#,
        ] {
            assert_eq!(parse(text).unwrap(), r#"("", None, [])"#, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_named_by_its_path() {
        for (text, told) in [
            ("{}", "Invalid arguments: missing field `id`"),
            (r#"{"id":"a"}"#, "Invalid arguments: missing field `flags`"),
            (
                r#"{"id":"a","most":300,"flags":[]}"#,
                "Invalid argument `most`: invalid value: integer `300`, expected u8",
            ),
            (
                r#"{"flags":[{},{"x":1}]}"#,
                "Invalid argument `flags[1].x`: invalid type: integer `1`, expected a boolean",
            ),
            (
                r#"{"id":"a","id":"b"}"#,
                "Invalid arguments: duplicate field `id`",
            ),
            (
                r#"{"id":"a","\u0069d":7}"#,
                "Invalid arguments: duplicate field `id`",
            ),
            (
                r#"{"dry_run":true,"id":7}"#,
                "Invalid argument `dry_run`: unknown field `dry_run`, expected one of `id`, `most`, `flags`",
            ),
            (
                r#"{"ID":"a"}"#,
                "Invalid argument `ID`: unknown field `ID`, expected one of `id`, `most`, `flags`",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), told, "{text}");
        }
    }

    #[test]
    fn unknown_members_are_ignored_if_the_declaration_says_so() {
        let read = parse_with(
            true,
            r#"{"x":{"id":[1,"}"]},"id":"a","y":-1.5e3,"flags":[]}"#,
        );
        assert_eq!(read.unwrap(), r#"("a", None, [])"#);
    }

    #[test]
    fn a_text_that_is_no_object_is_refused() {
        for text in [
            "",
            "[]",
            "1",
            "{",
            r#"{"id""#,
            r#"{"id":"#,
            r#"{"id":}"#,
            r#"{"id":"a""#,
            r#"{"id" "a"}"#,
            r#"{id:"a"}"#,
            r#"{"id":"a";"most":1}"#,
            r#"{"id":"a" "most":1}"#,
            r#"{"\ud800":1}"#,
            r#"{"x\":1}"#,
        ] {
            for open in [false, true] {
                let refusal = parse_with(open, text).unwrap_err();
                assert!(refusal.starts_with("Invalid argument"), "{text}: {refusal}");
            }
        }
    }

    #[test]
    fn without_parameters_there_are_no_arguments() {
        let form = |open| ArgumentsForm::Values { fields: &[], open };
        let parse = |open, text| Values::<()>::parse(&form(open), text).map(|Values(())| ());
        assert_eq!(parse(false, " { } "), Ok(()));
        assert_eq!(
            parse(false, r#"{"a":1}"#).unwrap_err(),
            "Invalid argument `a`: unknown field `a`, there are no fields"
        );
        assert_eq!(parse(true, r#"{"a":1,"b":[2]}"#), Ok(()));
        assert_eq!(
            Value::from(object(&form(false))),
            json!({ "type": "object", "additionalProperties": false })
        );
    }

    #[test]
    fn the_schema_is_that_of_a_struct_with_these_fields() {
        /// Arguments.
        #[derive(JsonSchema)]
        #[schemars(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its schema is used")]
        struct Named {
            /// The id.
            id: String,
            /// # Limit
            ///
            /// How many.
            most: Option<u8>,
            flags: Vec<BTreeMap<String, bool>>,
        }
        let mut named = Value::from(schema::input::<Named>());
        for keyword in ["title", "description"] {
            named.as_object_mut().unwrap().remove(keyword).unwrap();
        }
        let form = ArgumentsForm::Values {
            fields: FIELDS,
            open: false,
        };
        assert_eq!(Value::from(object(&form)), named);
    }
}
