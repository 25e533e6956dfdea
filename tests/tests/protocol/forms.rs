//! Types with `#[form]`: their schemas fit the published schemas, and the crate `jsonschema` checks that schema and reader
//! accept the same.

use jsonschema::Validator;
use mcp_auth::{Form, form};
use serde_json::{Map, Value, json};

use crate::schema::expect_valid;
use crate::support::Era;

#[form(rename_all = "snake_case")]
#[derive(Debug, PartialEq)]
enum Reason {
    /// The document
    /// is outdated.
    Outdated,
    Duplicate,
}

#[form]
#[derive(Debug, PartialEq)]
enum Size {
    Small,
    #[form(rename = "XL")]
    Huge,
}

#[form(rename_all = "camelCase")]
#[derive(Debug, PartialEq)]
struct Everything {
    /// Why?
    #[form(title = "Reason", default = Reason::Outdated)]
    the_reason: Reason,
    reasons: Vec<Reason>,
    size: Option<Size>,
    #[form(min_items = 1, max_items = 2, default = [Size::Small])]
    sizes: Vec<Size>,
    #[form(min_length = 1, max_length = 3, default = "a")]
    text: String,
    #[form(format = "email")]
    email: Option<String>,
    #[form(format = "uri")]
    uri: Option<String>,
    #[form(format = "date")]
    date: Option<String>,
    #[form(format = "date-time")]
    date_time: Option<String>,
    #[form(min = -1, max = 3, default = 0)]
    small: i8,
    large: Option<i64>,
    natural: Option<u64>,
    #[form(min = 0.5)]
    number: Option<f64>,
    single: Option<f32>,
    #[form(default = true)]
    flag: bool,
}

#[form]
struct Confirm;

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn validator<F: Form>() -> Validator {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&json!(F::schema())).unwrap()
}

#[test]
fn a_form_has_the_schema_of_both_revisions() {
    let choices = json!([
        { "const": "outdated", "title": "The document is outdated." },
        { "const": "duplicate", "title": "duplicate" },
    ]);
    let expected = json!({
        "type": "object",
        "properties": {
            "theReason": { "type": "string", "title": "Reason", "description": "Why?", "oneOf": choices, "default": "outdated" },
            "reasons": { "type": "array", "items": { "anyOf": choices } },
            "size": { "type": "string", "enum": ["Small", "XL"] },
            "sizes": {
                "type": "array", "items": { "type": "string", "enum": ["Small", "XL"] },
                "minItems": 1, "maxItems": 2, "default": ["Small"],
            },
            "text": { "type": "string", "minLength": 1, "maxLength": 3, "default": "a" },
            "email": { "type": "string", "format": "email" },
            "uri": { "type": "string", "format": "uri" },
            "date": { "type": "string", "format": "date" },
            "dateTime": { "type": "string", "format": "date-time" },
            "small": { "type": "integer", "minimum": -1, "maximum": 3, "default": 0 },
            "large": { "type": "integer" },
            "natural": { "type": "integer", "minimum": 0 },
            "number": { "type": "number", "minimum": 0.5 },
            "single": { "type": "number" },
            "flag": { "type": "boolean", "default": true },
        },
        "required": ["theReason", "reasons", "sizes", "text", "small", "flag"],
    });
    assert_eq!(json!(Everything::schema()), expected);
    let confirm = json!(Confirm::schema());
    assert_eq!(confirm, json!({ "type": "object", "properties": {} }));
    for schema in [expected, confirm] {
        let params = json!({ "mode": "form", "message": "?", "requestedSchema": schema });
        for era in [Era::Legacy, Era::Modern] {
            expect_valid(era, "ElicitRequestFormParams", &params);
            for property in object(&schema["properties"]).values() {
                expect_valid(era, "PrimitiveSchemaDefinition", property);
            }
        }
    }
}

#[test]
fn each_value_is_accepted_by_the_form_if_and_only_if_its_schema_accepts_it() {
    let valid = json!({
        "theReason": "outdated", "reasons": [], "sizes": ["XL"], "text": "abc", "small": 1, "flag": false,
    });
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(0.5),
        json!(3.0),
        json!(4),
        json!(-129),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("a"),
        json!("éêè"),
        json!("abcd"),
        json!("outdated"),
        json!("Outdated"),
        json!("Small"),
        json!("XL"),
        json!("Huge"),
        json!("ada@example.com"),
        json!("2026-02-28"),
        json!("2026-02-30"),
        json!("2026-02-28T12:00:00Z"),
        json!("https://example.com/"),
        json!([]),
        json!(["XL"]),
        json!(["XL", "XL"]),
        json!(["XL", "Small", "XL"]),
        json!(["duplicate", "outdated"]),
        json!([1]),
        json!({}),
    ];
    let says = validator::<Everything>();
    let (mut accepted, mut refused) = (0, 0);
    let schema = json!(Everything::schema());
    for property in object(&schema["properties"]).keys() {
        for value in &values {
            let mut content = object(&valid).clone();
            content.insert(property.clone(), value.clone());
            content.insert("unknown".to_owned(), value.clone());
            let read = Everything::read(&content);
            // `null` counts as absent.
            content.retain(|_, value| !value.is_null());
            assert_eq!(
                read.is_ok(),
                says.is_valid(&json!(content)),
                "{property}: {value} {read:?}"
            );
            match read {
                Ok(_) => accepted += 1,
                Err(errors) => {
                    assert_eq!(errors.properties().collect::<Vec<_>>(), [property]);
                    refused += 1;
                }
            }
        }
    }
    assert!(
        accepted > 40 && refused > 300,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn an_answer_becomes_the_value_of_the_type() {
    let content = json!({
        "theReason": "duplicate", "reasons": ["outdated"], "sizes": ["XL", "Small"], "text": "b", "small": 2.0, "flag": true,
        "email": "ada@example.com", "large": -5.0, "number": 1, "single": 0.1, "natural": null,
    });
    let read = Everything::read(object(&content)).unwrap();
    let expected = Everything {
        the_reason: Reason::Duplicate,
        reasons: vec![Reason::Outdated],
        size: None,
        sizes: vec![Size::Huge, Size::Small],
        text: "b".to_owned(),
        email: Some("ada@example.com".to_owned()),
        uri: None,
        date: None,
        date_time: None,
        small: 2,
        large: Some(-5),
        natural: None,
        number: Some(1.0),
        single: Some(0.1),
        flag: true,
    };
    assert_eq!(read, expected);
    assert!(Confirm::read(&Map::new()).is_ok());
}
