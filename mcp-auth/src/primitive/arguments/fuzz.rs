//! Fuzz checks of the code that rewrites arguments to fit a schema.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::declaration::ArgumentsForm;
use super::repair::{misplaced, repaired};
use super::{Arguments, Field, Values};

/// Checks three rules: rewritten arguments are JSON, rewriting them again changes nothing, and without `lenient` the
/// rewritten arguments have the same meaning as the original text.
pub fn arguments(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let sent = serde_json::from_str::<Value>(text).ok();
    let _ = misplaced(text, &SCHEMA);
    if let Some(Value::Object(_)) = sent {
        check_values(text);
    }
    for lenient in [false, true] {
        let Some((rewritten, _)) = repaired(text, &SCHEMA, lenient) else {
            continue;
        };
        // A number can be valid JSON although serde_json cannot represent it.
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&rewritten).is_ok();
        assert!(is_json, "{text} became {rewritten}");
        let again = repaired(&rewritten, &SCHEMA, lenient);
        assert!(
            again.is_none(),
            "{text} became {rewritten} became {again:?}"
        );
        if let (false, Some(sent), Ok(read)) = (lenient, &sent, serde_json::from_str(&rewritten)) {
            check_same(sent, &read, text);
        }
        let _ = misplaced(&rewritten, &SCHEMA);
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    n: i64,
    s: Option<String>,
    list: Option<Vec<i64>>,
    map: Option<BTreeMap<String, Value>>,
    any: Option<Value>,
}

type Five = Values<(
    i64,
    Option<String>,
    Option<Vec<i64>>,
    Option<BTreeMap<String, Value>>,
    Option<Value>,
)>;

/// Checks that the arguments of a tuple are read as serde reads a struct with these fields, with the same errors.
fn check_values(text: &str) {
    let named = Named::parse(&ArgumentsForm::Struct, text);
    let named = named.map(
        |Named {
             n,
             s,
             list,
             map,
             any,
         }| (n, s, list, map, any),
    );
    let form = ArgumentsForm::Values {
        fields: const {
            &[
                Field::of::<i64>("n", ""),
                Field::of::<Option<String>>("s", ""),
                Field::of::<Option<Vec<i64>>>("list", ""),
                Field::of::<Option<BTreeMap<String, Value>>>("map", ""),
                Field::of::<Option<Value>>("any", ""),
            ]
        },
        open: false,
    };
    let values = Five::parse(&form, text).map(|Values(values)| values);
    // serde also counts the object around the values as a level of nesting.
    let is_deep = |error: &String| error.contains("recursion limit");
    if !named.as_ref().is_err_and(is_deep) && !values.as_ref().is_err_and(is_deep) {
        assert_eq!(values, named, "{text}");
    }
}

/// Checks rewriting without `lenient`: numbers keep their value, and only members that are `null` may be missing.
fn check_same(sent: &Value, read: &Value, text: &str) {
    match (sent, read) {
        (Value::Number(sent), Value::Number(read)) => {
            // serde_json may read the last bits of a float inexactly.
            let both = [sent, read].map(|number| number.as_f64().unwrap_or(f64::NAN));
            let [sent, read] = both;
            let is_same = (sent - read).abs() <= sent.abs() * 1e-12;
            assert!(is_same, "{text}: {both:?}");
        }
        (Value::Array(sent), Value::Array(read)) => {
            assert_eq!(sent.len(), read.len(), "{text}");
            for (sent, read) in sent.iter().zip(read) {
                check_same(sent, read, text);
            }
        }
        (Value::Object(sent), Value::Object(read)) => check_members(sent, read, text),
        _ => assert_eq!(sent, read, "{text}"),
    }
}

fn check_members(sent: &Map<String, Value>, read: &Map<String, Value>, text: &str) {
    assert!(read.keys().all(|name| sent.contains_key(name)), "{text}");
    for (name, sent) in sent {
        match read.get(name) {
            Some(read) => check_same(sent, read, text),
            None => assert!(sent.is_null(), "{name} is missing: {text}"),
        }
    }
}

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "type": "object",
        "properties": {
            "n": { "type": "integer" },
            "x": { "type": "number" },
            "s": { "type": "string" },
            "b": { "type": "boolean" },
            "list": { "type": "array", "items": { "type": "integer" } },
            "pair": { "prefixItems": [{ "type": "string" }, { "type": "integer" }], "type": "array" },
            "map": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Sized" } },
            "either": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
            "tree": { "$ref": "#/$defs/Tree" },
            "any": true,
        },
        "required": ["n"],
        "$defs": {
            "Sized": { "type": "object", "properties": { "size": { "type": "integer" } } },
            "Tree": { "anyOf": [
                {
                    "type": "object",
                    "properties": {
                        "k": { "type": "string", "enum": ["node"] },
                        "l": { "$ref": "#/$defs/Tree" },
                        "r": { "$ref": "#/$defs/Tree" },
                    },
                    "required": ["k", "l"],
                },
                { "type": "array", "items": { "$ref": "#/$defs/Tree" } },
                { "type": "integer" },
            ] },
        },
    })
});
