//! Makes the JSON Schemas of arguments and results in the form that MCP and its clients require.
//!
//! schemars makes the schema of a type. MCP requires `type: object` at the root, and clients
//! support only a part of JSON Schema. At start-up, this module therefore rewrites every schema
//! with keywords that all clients support, and reports schemas that it cannot rewrite.

mod plain;
mod unsupported;

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::transform::Transform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use self::plain::{Direction, write_plainly};

pub use self::plain::NeverNull;
pub(crate) use self::unsupported::Unsupported;

/// Returns the schema of the arguments.
pub(super) fn input<T: JsonSchema>() -> Schema {
    settings().into_generator().into_root_schema_for::<T>()
}

/// A keyword that schemars derives from a rule, but that is stricter than the rule. The keyword is removed from the
/// schema.
#[derive(Clone, Copy, Debug)]
pub struct SuppressedKeyword {
    /// The keyword.
    pub keyword: &'static str,
    /// The number of lists around the keyword.
    pub depth: usize,
}

impl Transform for SuppressedKeyword {
    fn transform(&mut self, schema: &mut Schema) {
        match (self.depth, schema.get_mut("items")) {
            (0, _) => {
                schema.remove(self.keyword);
            }
            (depth, Some(items)) => {
                if let Ok(items) = items.try_into() {
                    let depth = depth - 1;
                    Self { depth, ..*self }.transform(items);
                }
            }
            (_, None) => {}
        }
    }
}

/// Returns the schema of the serialized form of a type, which may differ from the schema of its
/// deserialized form.
pub(super) fn written<T: JsonSchema>() -> Schema {
    settings()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

/// Settings that add no `$schema`, because 2020-12 is MCP's default dialect. A `$schema` that the application sets
/// remains. Types are inlined, because some clients do not follow references. Only a recursive type has a reference.
pub(super) fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    })
}

/// Returns the schema of a value that may be `null`.
pub(super) fn or_null(schema: Schema) -> Schema {
    let (inner, definitions) = nest(into_object(schema));
    let mut either = Map::new();
    either.insert("anyOf".to_owned(), json!([inner, { "type": "null" }]));
    define(&mut either, definitions);
    either.into()
}

/// Turns an input schema into a schema that MCP accepts. With `closed`, adds
/// `additionalProperties: false`, except to a schema whose properties are inside alternatives. The
/// keyword ignores such properties and would refuse them all.
pub(super) fn finish_input(schema: Schema, closed: bool) -> Value {
    let mut object = into_object(schema);
    // schemars writes the name of the generated type here.
    object.remove("title");
    object.insert("type".to_owned(), "object".into());
    // Some clients refuse an object schema without properties.
    object.entry("properties").or_insert_with(|| json!({}));
    let mut composed = COMPOSED.iter().chain(&["$ref"]);
    let is_plain = !composed.any(|keyword| object.contains_key(*keyword));
    if closed && is_plain && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), false.into());
    }
    write_plainly(&mut object, Direction::Input);
    Value::Object(object)
}

/// Adds `x-mcp-header` to the schema of an argument (MCP 2026-07-28, server/tools, x-mcp-header). Returns false if the
/// argument is not a member of the root, or if its type is not `string`, `integer` or `boolean`. Clients hide a tool
/// whose schema has the keyword on any other property.
#[must_use]
pub(super) fn add_header(schema: &mut Value, argument: &str, header: &str) -> bool {
    let properties = schema.get_mut("properties");
    let property = properties.and_then(|properties| properties.get_mut(argument));
    let Some(Value::Object(property)) = property else {
        return false;
    };
    let ty = property.get("type").and_then(Value::as_str);
    if !ty.is_some_and(|ty| ["boolean", "integer", "string"].contains(&ty)) {
        return false;
    }
    let name = header.strip_prefix("Mcp-Param-").unwrap_or(header);
    property.insert("x-mcp-header".to_owned(), name.into());
    true
}

/// Returns true if the root of a schema, or one of its alternatives, has this property.
pub(super) fn has_property(schema: &Value, name: &str) -> bool {
    let properties = schema.get("properties");
    let is_own = properties.is_some_and(|properties| properties.get(name).is_some());
    let mut alternatives = COMPOSED
        .iter()
        .filter_map(|keyword| schema.get(keyword)?.as_array());
    is_own || alternatives.any(|all| all.iter().any(|one| has_property(one, name)))
}

/// Adds an optional property to the root of a schema and to its alternatives. An alternative with
/// `additionalProperties: false` would refuse a property that only the root has.
pub(super) fn add_property(schema: &mut Value, name: &str, property: &Value) {
    let Value::Object(object) = schema else {
        return;
    };
    for keyword in COMPOSED {
        let alternatives = object.get_mut(keyword).and_then(Value::as_array_mut);
        for alternative in alternatives.into_iter().flatten() {
            add_property(alternative, name, property);
        }
    }
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        properties.insert(name.to_owned(), property.clone());
    }
}

/// Turns an output schema into a schema that MCP accepts. The flag is true if the value must be
/// wrapped as `{"result": …}`, because its schema does not describe an object.
pub(super) fn finish_output(schema: Schema) -> (Value, bool) {
    let mut object = into_object(schema);
    object.remove("title");
    write_plainly(&mut object, Direction::Output);
    if object.get("type").and_then(Value::as_str) == Some("object") {
        return (Value::Object(object), false);
    }
    let (inner, definitions) = nest(object);
    let mut wrapped = Map::new();
    wrapped.insert("type".to_owned(), "object".into());
    wrapped.insert("properties".to_owned(), json!({ "result": inner }));
    wrapped.insert("required".to_owned(), json!(["result"]));
    define(&mut wrapped, definitions);
    (Value::Object(wrapped), true)
}

/// Removes `additionalProperties: false`, for clients that do not support the keyword.
pub(super) fn leave_open(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("additionalProperties") == Some(&Value::Bool(false)) {
                members.remove("additionalProperties");
            }
            members.values_mut().for_each(leave_open);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_open),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Separates the root of a schema from its definitions. If the schema refers to its own root, the
/// root becomes a definition, so that the reference keeps its meaning.
fn nest(mut object: Map<String, Value>) -> (Value, Map<String, Value>) {
    let definitions = object.remove("$defs");
    let mut definitions = match definitions {
        Some(Value::Object(definitions)) => definitions,
        Some(_) | None => Map::new(),
    };
    let mut name = "Result".to_owned();
    while definitions.contains_key(&name) {
        name.push('_');
    }
    let reference = format!("#/$defs/{name}");
    let mut inner = Value::Object(object);
    let mut refers = rename_root(&mut inner, &reference);
    for definition in definitions.values_mut() {
        refers |= rename_root(definition, &reference);
    }
    if refers {
        definitions.insert(name, inner);
        inner = json!({ "$ref": reference });
    }
    (inner, definitions)
}

/// Replaces every reference to the root by `reference`. Returns true if the schema has such a
/// reference.
fn rename_root(schema: &mut Value, reference: &str) -> bool {
    match schema {
        Value::Object(members) => members.iter_mut().fold(false, |refers, (name, member)| {
            if name == "$ref" && member == "#" {
                *member = reference.into();
                return true;
            }
            rename_root(member, reference) | refers
        }),
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |refers, item| rename_root(item, reference) | refers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn define(object: &mut Map<String, Value>, definitions: Map<String, Value>) {
    if !definitions.is_empty() {
        object.insert("$defs".to_owned(), definitions.into());
    }
}

fn into_object(schema: Schema) -> Map<String, Value> {
    match Value::from(schema) {
        Value::Object(object) => object,
        // `true` and `false` are also schemas.
        Value::Bool(true) => Map::new(),
        other => Map::from_iter([("not".to_owned(), json!({ "const": other }))]),
    }
}

/// Returns every property that at least one alternative of the schema has. If serde does not refuse
/// unknown fields for a type, the server refuses all arguments that are not in this list. Returns
/// `None` if the schema explicitly accepts other names, or if the names cannot be determined.
pub(super) fn property_names(schema: &Value) -> Option<Vec<String>> {
    let mut names = BTreeSet::new();
    collect_names(schema, schema, DEEPEST, &mut names)?;
    Some(names.into_iter().collect())
}

fn collect_names(
    schema: &Value,
    root: &Value,
    depth: usize,
    names: &mut BTreeSet<String>,
) -> Option<()> {
    let object = schema.as_object()?;
    let additional = object.get("additionalProperties");
    let depth = depth.checked_sub(1)?;
    if additional.is_some_and(|additional| *additional != false)
        || ["if", "patternProperties"]
            .iter()
            .any(|keyword| object.contains_key(*keyword))
    {
        return None;
    }
    if let Some(reference) = object.get("$ref") {
        let target = root.pointer(reference.as_str()?.strip_prefix('#')?)?;
        collect_names(target, root, depth, names)?;
    }
    for keyword in COMPOSED {
        let alternatives = object.get(keyword).and_then(Value::as_array);
        for alternative in alternatives.into_iter().flatten() {
            collect_names(alternative, root, depth, names)?;
        }
    }
    if let Some(Value::Object(properties)) = object.get("properties") {
        names.extend(properties.keys().cloned());
    }
    Some(())
}

const COMPOSED: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// The maximum depth to which the references of a recursive type are followed.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, JsonSchema)]
    struct Plain {
        a: u8,
        anything: Value,
    }

    #[test]
    fn an_input_is_a_closed_object_whose_properties_are_objects() {
        let schema = finish_input(input::<Plain>(), true);
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["anything"], json!({}));
        assert!(schema.get("title").is_none() && schema.get("$schema").is_none());
    }

    #[test]
    fn only_a_plain_argument_of_the_root_has_a_header() {
        let mut schema = json!({ "properties": {
            "text": { "type": "string", "enum": ["a"] },
            "count": { "type": "integer" },
            "on": { "type": "boolean" },
            "share": { "type": "number" },
            "either": { "anyOf": [{ "type": "string" }, { "type": "integer" }] },
            "anything": {},
            "nested": { "type": "object", "properties": { "inner": { "type": "string" } } },
        } });
        for (argument, fits) in [
            ("text", true),
            ("count", true),
            ("on", true),
            ("share", false),
            ("either", false),
            ("anything", false),
            ("nested", false),
            ("inner", false),
        ] {
            let added = add_header(&mut schema, argument, "Mcp-Param-X");
            assert_eq!(added, fits, "{argument}");
            let keyword = &schema["properties"][argument]["x-mcp-header"];
            assert_eq!(*keyword == "X", fits, "{argument}");
        }
        assert!(!add_header(&mut json!({}), "text", "Mcp-Param-X"));
    }

    #[test]
    fn a_property_is_added_to_the_root_and_to_closed_alternatives() {
        let mut schema = json!({
            "type": "object",
            "oneOf": [
                { "type": "object", "properties": { "a": {} }, "additionalProperties": false },
                { "allOf": [{ "properties": { "b": {} } }] },
            ],
        });
        for (name, has) in [("a", true), ("b", true), ("code", false)] {
            assert_eq!(has_property(&schema, name), has, "{name}");
        }
        let text = json!({ "type": "string" });
        add_property(&mut schema, "code", &text);
        for place in ["", "/oneOf/0", "/oneOf/1", "/oneOf/1/allOf/0"] {
            let property = format!("{place}/properties/code");
            assert_eq!(schema.pointer(&property), Some(&text), "{place}");
        }
        assert!(has_property(&schema, "code"));
    }

    #[test]
    fn a_result_that_is_no_object_is_wrapped() {
        let (schema, wrapped) = finish_output(written::<Vec<Plain>>());
        assert!(wrapped);
        assert_eq!(schema["properties"]["result"]["type"], "array");
        assert!(!finish_output(written::<Plain>()).1);
    }

    #[test]
    fn an_optional_result_may_be_null() {
        let (schema, wrapped) = finish_output(or_null(written::<Vec<Plain>>()));
        assert!(wrapped);
        assert_eq!(
            schema["properties"]["result"]["anyOf"][1],
            json!({ "type": "null" })
        );
    }

    #[test]
    fn an_open_struct_tells_its_property_names() {
        let schema = finish_input(input::<Plain>(), true);
        assert_eq!(property_names(&schema).unwrap(), ["a", "anything"]);
        let either = json!({
            "oneOf": [{ "properties": { "a": {} } }, { "$ref": "#/$defs/B" }],
            "$defs": { "B": { "properties": { "b": {} } } },
        });
        assert_eq!(property_names(&either).unwrap(), ["a", "b"]);
        for open in [
            json!({ "oneOf": [true] }),
            json!({ "properties": { "a": {} }, "additionalProperties": { "type": "integer" } }),
            json!({ "$ref": "#" }),
            json!({ "$ref": "#/$defs/Gone" }),
        ] {
            assert_eq!(property_names(&open), None, "{open}");
        }
    }
}
