//! Fuzz checks of the code that rewrites arguments to fit a schema.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::repair::{misplaced, repaired};

/// Checks that rewritten arguments are JSON, that rewriting them again changes nothing, and that
/// without `lenient` they have the same meaning as the text that was sent.
pub fn arguments(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let sent = serde_json::from_str::<Value>(text).ok();
    let _ = misplaced(text, &SCHEMA);
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

/// Without `lenient`, numbers keep their value, and only members that are `null` may be missing.
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
