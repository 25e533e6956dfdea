//! Rewrites a schema with keywords that every client supports, in one recursive pass. The accepted
//! values do not change.
//!
//! The result uses keywords of JSON Schema 2020-12. `docs/schemas.md` names the clients that need
//! each rule.

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value, json};

type Members = Map<String, Value>;

/// Whether the server reads values of the schema (input) or writes them (output).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    Input,
    Output,
}

/// Rewrites a root schema. The root remains an object schema; it is never turned into alternatives
/// with `null`.
pub(super) fn write_plainly(root: &mut Members, direction: Direction) {
    if direction == Direction::Input {
        take_out_null(root);
    }
    let mut schema = Schema::from(std::mem::take(root));
    Plain { direction }.transform(&mut schema);
    if let Value::Object(members) = Value::from(schema) {
        *root = members;
    }
}

/// Removes `null` from the schema of a member that the server leaves out if the value is `null`.
#[derive(Clone, Copy, Debug)]
pub struct NeverNull;

impl Transform for NeverNull {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(members) = schema.as_object_mut() {
            take_out_null(members);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Plain {
    direction: Direction,
}

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        match schema.as_bool() {
            Some(true) => *schema = Members::new().into(),
            Some(false) => *schema = Members::from_iter([("not".to_owned(), json!({}))]).into(),
            None => {}
        }
        let Some(members) = schema.as_object_mut() else {
            return;
        };
        pattern(members);
        number(members);
        constant(members);
        alternatives(members);
        array(members);
        if self.direction == Direction::Input {
            // serde accepts a duplicate value for a set, so the keyword would be too strict.
            members.remove("uniqueItems");
            optional_properties(members);
        }
        // Keep `additionalProperties: false`, because more clients support it than any other form.
        let closed = members.get("additionalProperties") == Some(&Value::Bool(false));
        if closed {
            members.remove("additionalProperties");
        }
        transform_subschemas(self, schema);
        let Some(members) = schema.as_object_mut() else {
            return;
        };
        if closed {
            members.insert("additionalProperties".to_owned(), false.into());
        }
        types(members);
    }
}

/// Removes escapes that ECMA-262 does not permit, or permits only inside `[…]`, from a pattern. A client could not
/// compile a pattern with such an escape. schemars writes these escapes, for example for `contains("a-b")`.
fn pattern(members: &mut Members) {
    if let Some(Value::String(pattern)) = members.get_mut("pattern") {
        *pattern = without_needless_escapes(pattern);
    }
}

fn without_needless_escapes(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let (mut escaped, mut in_class) = (false, false);
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if escaped {
            // Inside a class, `&&` and `~~` are operators in Rust.
            let is_doubled = plain.ends_with(letter)
                || matches!(letters.peek(), Some(next) if matches!(next, '&' | '~' | '\\'));
            let is_needless = match letter {
                '#' => true,
                '&' | '~' => !(in_class && is_doubled),
                '-' => !in_class,
                _ => false,
            };
            if !is_needless {
                plain.push('\\');
            }
            plain.push(letter);
            escaped = false;
            continue;
        }
        match letter {
            '\\' => {
                escaped = true;
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        plain.push(letter);
    }
    plain
}

/// Writes the range of a number as `minimum` and `maximum`. schemars writes the range as `format`, but JSON Schema
/// defines no `format` for numbers.
fn number(members: &mut Members) {
    if !has_type(members, &["integer", "number"]) || has_type(members, &["string"]) {
        return;
    }
    let Some(Value::String(format)) = members.remove("format") else {
        return;
    };
    let (minimum, maximum) = range(&format);
    for (keyword, bound) in [("minimum", minimum), ("maximum", maximum)] {
        if let Some(bound) = bound {
            members.entry(keyword).or_insert(bound);
        }
    }
}

/// Returns the range of the type that schemars names in `format`. Leaves out a bound that needs 64
/// bits, because Claude refuses a request whose schemas contain such a number.
fn range(format: &str) -> (Option<Value>, Option<Value>) {
    match format {
        "int8" => (Some(json!(i8::MIN)), Some(json!(i8::MAX))),
        "int16" => (Some(json!(i16::MIN)), Some(json!(i16::MAX))),
        "int32" => (Some(json!(i32::MIN)), Some(json!(i32::MAX))),
        "uint8" => (Some(json!(0)), Some(json!(u8::MAX))),
        "uint16" => (Some(json!(0)), Some(json!(u16::MAX))),
        "uint32" => (Some(json!(0)), Some(json!(u32::MAX))),
        "uint" | "uint64" | "uint128" => (Some(json!(0)), None),
        _ => (None, None),
    }
}

/// Writes `const` as an `enum` of one value.
fn constant(members: &mut Members) {
    if let Some(value) = members.remove("const") {
        members.entry("enum").or_insert_with(|| json!([value]));
    }
}

/// Turns alternatives that are all constants into one `enum`, and puts the texts of the
/// alternatives into its description. Turns any other `oneOf` into `anyOf`. serde takes the first
/// alternative that fits, so `anyOf` describes exactly the values that serde accepts.
fn alternatives(members: &mut Members) {
    let keyword = match (members.get("oneOf"), members.get("anyOf")) {
        (Some(Value::Array(_)), None) => "oneOf",
        (None, Some(Value::Array(_))) => "anyOf",
        _ => return,
    };
    let Some(Value::Array(branches)) = members.remove(keyword) else {
        return;
    };
    match Constants::of(&branches) {
        Some(constants) if !members.contains_key("type") && !members.contains_key("enum") => {
            members.insert("type".to_owned(), constants.ty);
            members.insert("enum".to_owned(), constants.values.into());
            if !constants.texts.is_empty() {
                let own = members.get("description").and_then(Value::as_str);
                let own = own.map(|text| format!("{text}\n\n")).unwrap_or_default();
                let description = format!("{own}{}", constants.texts.join("\n"));
                members.insert("description".to_owned(), description.into());
            }
        }
        Some(_) | None => {
            members.insert("anyOf".to_owned(), branches.into());
        }
    }
}

/// Alternatives that all have the same type and are lists of constants.
struct Constants {
    ty: Value,
    values: Vec<Value>,
    /// A line of Markdown for each constant that has a description.
    texts: Vec<String>,
}

impl Constants {
    fn of(branches: &[Value]) -> Option<Self> {
        let ty = branches.first()?.get("type")?.clone();
        let (mut values, mut texts) = (Vec::new(), Vec::new());
        for branch in branches {
            let branch = branch.as_object()?;
            let known = [
                "const",
                "deprecated",
                "description",
                "enum",
                "title",
                "type",
            ];
            let is_plain = branch.keys().all(|key| known.contains(&key.as_str()));
            if !is_plain || branch.get("type") != Some(&ty) {
                return None;
            }
            let constants = match (branch.get("const"), branch.get("enum")) {
                (Some(constant), None) => vec![constant.clone()],
                (None, Some(Value::Array(constants))) => constants.clone(),
                _ => return None,
            };
            if let Some(Value::String(text)) = branch.get("description") {
                let names: Vec<_> = constants.iter().map(name).collect();
                texts.push(format!("- {}: {}", names.join(", "), one_line(text)));
            }
            values.extend(constants);
        }
        Some(Self { ty, values, texts })
    }
}

fn name(constant: &Value) -> String {
    match constant {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Adds `items` to every array. For a tuple, `items` accepts the types of all elements, because
/// many clients do not support `prefixItems`.
fn array(members: &mut Members) {
    if !has_type(members, &["array"]) {
        return;
    }
    let places = match members.get("prefixItems") {
        Some(Value::Array(places)) if is_closed(members, places.len()) => places.clone(),
        _ => {
            members.entry("items").or_insert_with(|| json!({}));
            return;
        }
    };
    let length = places.len();
    let mut kinds: Vec<Value> = Vec::new();
    for place in places {
        if !kinds.contains(&place) {
            kinds.push(place);
        }
    }
    let items = match kinds.pop() {
        Some(only) if kinds.is_empty() => {
            members.remove("prefixItems");
            only
        }
        Some(last) => {
            kinds.push(last);
            json!({ "anyOf": kinds })
        }
        None => json!({}),
    };
    members.insert("items".to_owned(), items);
    members.insert("maxItems".to_owned(), length.into());
}

/// Returns true if an array has at most this many elements.
fn is_closed(members: &Members, length: usize) -> bool {
    let most = members.get("maxItems").and_then(Value::as_u64);
    most == u64::try_from(length).ok() || members.get("items") == Some(&Value::Bool(false))
}

/// Removes `null` from the schemas of optional properties, because a client can omit such a
/// property. If a client still sends `null`, the server treats the property as absent.
fn optional_properties(members: &mut Members) {
    let required = members.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| {
        let mut names = required.as_array().into_iter().flatten();
        names.any(|required| required == name)
    };
    let Some(Value::Object(properties)) = members.get_mut("properties") else {
        return;
    };
    for (name, property) in properties {
        if let (false, Value::Object(property)) = (is_required(name), property) {
            take_out_null(property);
        }
    }
}

/// Removes `null` from the accepted values, unless `null` is the only accepted value.
fn take_out_null(members: &mut Members) {
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|ty| ty != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = members.get_mut("enum")
        && values.iter().any(|value| !value.is_null())
    {
        values.retain(|value| !value.is_null());
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = members.get_mut(keyword) else {
            continue;
        };
        if branches.iter().all(is_null) {
            continue;
        }
        branches.retain(|branch| !is_null(branch));
        if let [Value::Object(_)] = branches.as_slice()
            && let Some(Value::Object(only)) = branches.pop()
        {
            members.remove(keyword);
            // The description of the property takes precedence over the description of its type.
            for (key, value) in only {
                members.entry(key).or_insert(value);
            }
        }
    }
    if members.get("default") == Some(&Value::Null) {
        members.remove("default");
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type") == Some(&"null".into())
        || schema.get("const") == Some(&Value::Null)
        || schema.get("enum") == Some(&json!([null]))
}

/// Writes a list of types as alternatives, because clients that expect one `type` refuse a list.
fn types(members: &mut Members) {
    let Some(Value::Array(types)) = members.get("type") else {
        return;
    };
    if members.contains_key("anyOf") {
        return;
    }
    let types = types.clone();
    if let [only] = types.as_slice() {
        members.insert("type".to_owned(), only.clone());
        return;
    }
    let mut words = Members::new();
    let mut rules = Members::new();
    for (key, value) in std::mem::take(members) {
        let side = if ANNOTATIONS.contains(&key.as_str()) {
            &mut words
        } else {
            &mut rules
        };
        side.insert(key, value);
    }
    let alternatives = types.into_iter().map(|ty| {
        let mut rules = if ty == "null" {
            Members::new()
        } else {
            rules.clone()
        };
        if let (true, Some(Value::Array(values))) = (ty != "null", rules.get_mut("enum")) {
            values.retain(|value| !value.is_null());
        }
        rules.insert("type".to_owned(), ty);
        Value::Object(rules)
    });
    words.insert("anyOf".to_owned(), alternatives.collect());
    *members = words;
}

/// Returns true if the schema's `type` names one of these types.
fn has_type(members: &Members, types: &[&str]) -> bool {
    let is_one = |ty: &Value| ty.as_str().is_some_and(|ty| types.contains(&ty));
    match members.get("type") {
        Some(Value::Array(names)) => names.iter().any(is_one),
        Some(name) => is_one(name),
        None => false,
    }
}

/// The keywords that only describe a value and never refuse one. Source: JSON Schema 2020-12,
/// validation, section 9.
const ANNOTATIONS: [&str; 9] = [
    "$defs",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
    "$comment",
];

#[cfg(test)]
mod tests;
