//! Finds schemas that some clients refuse, and that cannot be rewritten without changing their
//! meaning.

use std::fmt;

use serde_json::Value;

/// A part of an input schema that some clients refuse.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unsupported {
    /// The root of the schema combines other schemas (`allOf`, `anyOf` or `oneOf`).
    RootAlternatives,
    /// A property has a name that some model providers refuse.
    PropertyName(String),
    /// A type contains itself.
    Recursion(String),
}

impl Unsupported {
    /// Returns each part of an input schema that some clients refuse.
    pub(in super::super) fn all(schema: &Value) -> Vec<Self> {
        let mut found = Vec::new();
        let alternatives = ["allOf", "anyOf", "oneOf"];
        let is_composed = alternatives
            .iter()
            .any(|keyword| schema.get(keyword).is_some());
        found.extend(is_composed.then_some(Self::RootAlternatives));
        walk(schema, &mut found);
        let mut each_once: Vec<Self> = Vec::new();
        for one in found {
            if !each_once.contains(&one) {
                each_once.push(one);
            }
        }
        each_once
    }

    /// Returns the clients that refuse the schema, and the consequence.
    pub(crate) fn why(&self) -> &'static str {
        match self {
            Self::RootAlternatives => {
                "Claude and OpenAI refuse `anyOf`, `oneOf` and `allOf` at the root of a tool's schema, and then refuse the whole request"
            }
            Self::PropertyName(_) => {
                "Claude accepts only property names of 1 to 64 ASCII letters, digits, `_`, `.` and `-`, and refuses the whole request if a name differs"
            }
            Self::Recursion(_) => {
                "Gemini refuses a schema that refers to itself, and clients that expand references drop the tool"
            }
        }
    }

    /// Returns how to correct the schema.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::RootAlternatives => {
                "take the enum as one argument, without `#[arg(flatten)]`, or make a tool of each variant"
            }
            Self::PropertyName(_) => "rename the field with `#[serde(rename = \"…\")]`",
            Self::Recursion(_) => {
                "take a list of nodes that name their parent, or `serde_json::Value` for the inner part"
            }
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootAlternatives => f.write_str("the arguments are alternatives"),
            Self::PropertyName(name) => write!(f, "a property has the name `{name}`"),
            Self::Recursion(name) => write!(f, "the type `{name}` contains itself"),
        }
    }
}

fn walk(schema: &Value, found: &mut Vec<Unsupported>) {
    match schema {
        Value::Object(members) => {
            for (keyword, member) in members {
                match (keyword.as_str(), member) {
                    ("$ref", Value::String(reference)) => {
                        let name = reference.rsplit('/').next().unwrap_or_default();
                        found.push(Unsupported::Recursion(name.to_owned()));
                    }
                    ("properties", Value::Object(properties)) => {
                        for (name, property) in properties {
                            if !is_portable(name) {
                                found.push(Unsupported::PropertyName(name.clone()));
                            }
                            walk(property, found);
                        }
                    }
                    // These keywords contain values, which are not schemas.
                    ("const" | "default" | "enum" | "examples", _) => {}
                    _ => walk(member, found),
                }
            }
        }
        Value::Array(schemas) => schemas.iter().for_each(|schema| walk(schema, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_portable(name: &str) -> bool {
    let portable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(portable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn alternatives_at_the_root_names_that_are_not_portable_and_recursion_are_found() {
        let schema = json!({
            "type": "object",
            "anyOf": [{ "properties": { "größe": {} } }],
            "properties": {
                "anyOf": { "anyOf": [{ "type": "string" }] },
                "a/b": { "type": "object", "properties": { "child": { "$ref": "#" } } },
                "value": { "enum": [{ "$ref": "no schema" }] },
            },
        });
        let found: Vec<_> = Unsupported::all(&schema)
            .iter()
            .map(Unsupported::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "the arguments are alternatives",
                "a property has the name `größe`",
                "a property has the name `a/b`",
                "the type `#` contains itself",
            ]
        );
    }

    #[test]
    fn every_rule_names_a_client_and_a_remedy() {
        for found in [
            Unsupported::RootAlternatives,
            Unsupported::PropertyName("größe".to_owned()),
            Unsupported::Recursion("Tree".to_owned()),
        ] {
            assert!(
                ["Claude", "Gemini"]
                    .iter()
                    .any(|client| found.why().contains(client))
            );
            assert!(!found.remedy().is_empty());
        }
    }

    #[test]
    fn a_plain_schema_has_nothing_that_is_refused() {
        let schema = json!({ "type": "object", "properties": { "a.b-c_1": { "type": "string" } } });
        assert_eq!(Unsupported::all(&schema), []);
    }
}
