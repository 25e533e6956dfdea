//! Property tests of forms. With random schemas and answers, the crate `jsonschema` checks that the schema accepts the
//! same answers as the reader.

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use rmcp::model::ElicitationSchema;
use serde_json::{Map, Value, json};

use super::rule::{Broken, checked};
use super::{FormSchema, FormSchemaError};
use crate::properties::cases;

const TEXTS: [&str; 15] = [
    "",
    "a",
    "b",
    "c",
    "é",
    "éé",
    "ééé",
    "éa",
    "abc",
    "a b",
    "2026-07-28",
    "2026-07-28T12:00:00Z",
    "ada@example.com",
    "https://example.com",
    "0",
];

fn number() -> impl Strategy<Value = Value> {
    let edges = vec![
        json!(-1),
        json!(-0.0),
        json!(0),
        json!(0.5),
        json!(1),
        json!(1.0),
        json!(2.5),
        json!(3),
        json!(255),
        json!(256),
        json!(1e3),
        json!(-1e9),
        json!(9_007_199_254_740_993_u64),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
    ];
    prop_oneof![
        select(edges),
        (-4..9_i64).prop_map(Value::from),
        (-4.0..9.0_f64).prop_map(Value::from),
    ]
}

fn text() -> impl Strategy<Value = Value> {
    select(TEXTS.as_slice()).prop_map(Value::from)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => number(),
        3 => text(),
        1 => any::<bool>().prop_map(Value::from),
        2 => vec(text(), 0..4).prop_map(Value::from),
        1 => select(vec![Value::Null, json!({}), json!([1]), json!([null])]),
    ]
}

/// A map without the members that are `None`.
fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let given = members.into_iter();
    given
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

fn size() -> impl Strategy<Value = Option<Value>> {
    of((0..4_u8).prop_map(Value::from))
}

/// Generates the schema of one property, of each kind that MCP has. Some of these schemas contradict themselves.
fn property() -> impl Strategy<Value = Map<String, Value>> {
    let format = of(select(vec!["date", "date-time", "email", "uri"]).prop_map(Value::from));
    let texts = (size(), size(), format, of(text())).prop_map(|(least, most, format, default)| {
        members([
            ("type", Some(json!("string"))),
            ("minLength", least),
            ("maxLength", most),
            ("format", format),
            ("default", default),
        ])
    });
    let number = |kind: &'static str, limit: BoxedStrategy<Value>| {
        let limits = (of(limit.clone()), of(limit.clone()), of(limit));
        limits.prop_map(move |(least, most, default)| {
            members([
                ("type", Some(json!(kind))),
                ("minimum", least),
                ("maximum", most),
                ("default", default),
            ])
        })
    };
    let floats = (-4.0..9.0_f64).prop_map(Value::from).boxed();
    let integers = prop_oneof![-4..9_i64, select(vec![i64::MIN, i64::MAX])];
    let flag = of(any::<bool>().prop_map(Value::from));
    let flag =
        flag.prop_map(|default| members([("type", Some(json!("boolean"))), ("default", default)]));
    let choices = (0..4_u8, vec(text(), 0..5), size(), size(), of(value()));
    let choices = choices.prop_map(|(kind, choices, least, most, default)| {
        let titled: Value = choices
            .iter()
            .map(|choice| json!({ "const": choice, "title": "T" }))
            .collect();
        let default =
            default.filter(|default| default.is_array() == (kind > 1) && !default.is_number());
        match kind {
            0 => members([
                ("type", Some(json!("string"))),
                ("enum", Some(choices.into())),
                ("default", default),
            ]),
            1 => members([
                ("type", Some(json!("string"))),
                ("oneOf", Some(titled)),
                ("default", default),
            ]),
            kind => {
                let items = match kind {
                    2 => json!({ "type": "string", "enum": choices }),
                    _ => json!({ "anyOf": titled }),
                };
                members([
                    ("type", Some(json!("array"))),
                    ("items", Some(items)),
                    ("minItems", least),
                    ("maxItems", most),
                    ("default", default),
                ])
            }
        }
    });
    prop_oneof![
        texts,
        number("number", floats),
        number("integer", integers.prop_map(Value::from).boxed()),
        flag,
        choices.boxed(),
    ]
}

/// The schema of a form with up to four properties, as MCP's data type.
fn schema() -> impl Strategy<Value = ElicitationSchema> {
    let properties = vec((property(), any::<bool>()), 0..4);
    properties.prop_filter_map("no data type of MCP", |properties| {
        let named = properties.iter().zip(["c", "a", "b", "d"]);
        let required: Vec<_> = named
            .clone()
            .filter(|((_, required), _)| *required)
            .map(|(_, name)| name)
            .collect();
        let properties: Map<_, _> = named
            .map(|((property, _), name)| (name.to_owned(), property.clone().into()))
            .collect();
        serde_json::from_value(
            json!({ "type": "object", "properties": properties, "required": required }),
        )
        .ok()
    })
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

/// The published schemas of the properties of forms.
static PUBLISHED: LazyLock<[Validator; 2]> = LazyLock::new(|| {
    [
        include_str!("../../../../tests/conformance/schema-2025-11-25.json"),
        include_str!("../../../../tests/conformance/schema-2026-07-28.json"),
    ]
    .map(|text| {
        let mut schema: Value = serde_json::from_str(text).unwrap();
        schema["$ref"] = json!("#/$defs/ElicitRequestFormParams");
        jsonschema::validator_for(&schema).unwrap()
    })
});

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn a_form_accepts_what_its_schema_accepts(schema in schema(), content in vec(value(), 4)) {
        let form = match FormSchema::new(&schema) {
            Ok(form) => form,
            Err(error) => {
                let is_contradiction = matches!(
                    error,
                    FormSchemaError::Choices(_) | FormSchemaError::Default(_) | FormSchemaError::Limits(_)
                );
                prop_assert!(is_contradiction, "{error}");
                return Ok(());
            }
        };
        let shown = Value::from(form.to_map());
        for published in PUBLISHED.iter() {
            let params = json!({ "mode": "form", "message": "?", "requestedSchema": shown });
            prop_assert!(published.is_valid(&params), "{shown}");
        }
        let content: Map<_, _> = ["a", "b", "c", "unknown"].map(str::to_owned).into_iter().zip(content).collect();
        let given: Map<_, _> = content.clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
        let read = form.read(&content);
        let says = validator(&shown).is_valid(&Value::from(given.clone()));
        prop_assert_eq!(read.is_ok(), says, "{:?}: {} against {}", read, json!(given), shown);
        if let Ok(read) = read {
            for (name, value) in &read {
                let is_known = shown["properties"].get(name).is_some();
                prop_assert!(is_known && (value == &given[name] || value.as_f64() == given[name].as_f64()));
                let is_integer = shown["properties"][name]["type"] == "integer";
                prop_assert!(!is_integer || !value.is_f64());
            }
            // The result has every property of the form that the answer has.
            let known = given.keys().filter(|name| shown["properties"].get(name).is_some());
            prop_assert_eq!(read.len(), known.count());
        }
    }

    #[test]
    fn a_text_with_a_format_has_it_for_other_validators_too(
        format in select(vec!["date", "date-time", "email", "uri"]),
        bits in vec(select(&BITS[..]), 0..9),
    ) {
        let schema = json!({ "type": "string", "format": format });
        let text = Value::from(bits.concat());
        match checked(schema.as_object().unwrap(), &text) {
            Ok(_) => prop_assert!(validator(&schema).is_valid(&text), "{format} {text}"),
            Err(Broken::Format(_)) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

/// Parts of texts with a format.
const BITS: [&str; 40] = [
    "2026-02-28",
    "2024-02-29",
    "2026-12-31",
    "0000",
    "-",
    "12",
    "T",
    "t",
    " ",
    "23:59:59",
    "23:59:60",
    "12:00:00",
    ".5",
    ".",
    "Z",
    "z",
    "+00:00",
    "-23:59",
    "+24:00",
    "ada",
    "@",
    "example",
    "com",
    "a--b",
    "xn--",
    "xn--a",
    "é",
    "1",
    "http",
    "mailto",
    "urn",
    ":",
    "//",
    "[::1]",
    "[",
    "%20",
    "%2",
    "?",
    "#",
    "\\",
];
