//! Unit tests of forms. The tests of the attribute are in `tests/messages` and `mcp-auth-macros`.

use rmcp::model::{
    ConstTitle, ElicitationSchema, ElicitationSchemaBuilder, EnumSchema, LegacyEnumSchema,
    NumberSchema, PrimitiveSchemaDefinition, StringSchema, TitledSingleSelectEnumSchema,
};
use serde_json::{Map, Value, json};

use super::rule::{Broken, checked};
use super::schema::check;
use super::{Choice, Form, FormChoice, FormFields, FormSchema, FormSchemaError};

/// An enum as `#[form]` expands it. The macro names `::mcp_auth`, which is not a name in this crate.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Color {
    Red,
    Green,
}

impl FormChoice for Color {
    const CHOICES: &'static [Choice<Self>] = &[
        Choice::new("red", "Like\n a cherry", || Self::Red),
        Choice::new("green", "", || Self::Green),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Size {
    Small,
    Large,
}

impl FormChoice for Size {
    const CHOICES: &'static [Choice<Self>] = &[
        Choice::new("Small", "", || Self::Small),
        Choice::new("Large", "", || Self::Large),
    ];
}

#[derive(Debug, PartialEq)]
struct Order {
    name: String,
    count: i16,
    weight: f32,
    total: Option<u64>,
    gift: bool,
    color: Color,
    size: Option<Size>,
    sizes: Vec<Size>,
    colors: Option<Vec<Color>>,
}

impl Form for Order {
    fn fill_in(fields: &mut FormFields<'_>) -> Option<Self> {
        let name = fields.field::<String>("name", " Who? ", |field| {
            field
                .title("Name")
                .min_length(2)
                .max_length(4)
                .default("Ada")
        });
        let count = fields.field::<i16>("count", "", |field| field.min(-1).default(&3));
        let weight = fields.field::<f32>("weight", "", |field| field.max(0.1).default(&0.1));
        let total = fields.field::<Option<u64>>("total", "", |field| field);
        let gift = fields.field::<bool>("gift", "", |field| field.default(&true));
        let color = fields.field::<Color>("color", "", |field| field.default(&Color::Green));
        let size = fields.field::<Option<Size>>("size", "", |field| field.default(&Size::Large));
        let sizes = fields.field::<Vec<Size>>("sizes", "", |field| {
            field.min_items(1).default(&[Size::Small])
        });
        let colors = fields.field::<Option<Vec<Color>>>("colors", "", |field| field.max_items(2));
        Some(Self {
            name: name?,
            count: count?,
            weight: weight?,
            total: total?,
            gift: gift?,
            color: color?,
            size: size?,
            sizes: sizes?,
            colors: colors?,
        })
    }
}

fn answer() -> Map<String, Value> {
    let answer = json!({
        "name": "Ada", "count": -1.0, "weight": 0.1, "gift": false, "color": "red",
        "size": null, "sizes": ["Large", "Small"], "unknown": {},
    });
    answer.as_object().unwrap().clone()
}

fn refusal(property: &str, value: Value) -> String {
    let mut answer = answer();
    answer.insert(property.to_owned(), value);
    Order::read(&answer).unwrap_err().to_string()
}

#[test]
fn the_schema_has_every_type_and_rule_in_order() {
    let expected = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "title": "Name", "description": "Who?", "minLength": 2, "maxLength": 4, "default": "Ada" },
            "count": { "type": "integer", "minimum": -1, "maximum": 32767, "default": 3 },
            "weight": { "type": "number", "maximum": 0.1, "default": 0.1 },
            "total": { "type": "integer", "minimum": 0 },
            "gift": { "type": "boolean", "default": true },
            "color": {
                "type": "string",
                "oneOf": [{ "const": "red", "title": "Like a cherry" }, { "const": "green", "title": "green" }],
                "default": "green",
            },
            "size": { "type": "string", "enum": ["Small", "Large"], "default": "Large" },
            "sizes": { "type": "array", "items": { "type": "string", "enum": ["Small", "Large"] }, "minItems": 1, "default": ["Small"] },
            "colors": {
                "type": "array",
                "items": { "anyOf": [{ "const": "red", "title": "Like a cherry" }, { "const": "green", "title": "green" }] },
                "maxItems": 2,
            },
        },
        "required": ["name", "count", "weight", "gift", "color", "sizes"],
    });
    assert_eq!(Value::from(Order::schema().to_map()), expected);
    let text = serde_json::to_string(&Order::schema()).unwrap();
    let places: Vec<_> = [
        "type",
        "properties",
        "name",
        "count",
        "weight",
        "total",
        "gift",
        "sizes",
        "colors",
        "required",
    ]
    .iter()
    .map(|key| text.find(&format!("\"{key}\":")).unwrap())
    .collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn an_answer_is_read_into_the_type() {
    let read = Order::read(&answer()).unwrap();
    let expected = Order {
        name: "Ada".to_owned(),
        count: -1,
        weight: 0.1,
        total: None,
        gift: false,
        color: Color::Red,
        size: None,
        sizes: vec![Size::Large, Size::Small],
        colors: None,
    };
    assert_eq!(read, expected);
}

#[test]
fn each_rule_is_enforced_with_its_words() {
    for (property, value, expected) in [
        ("name", json!(1), "`name` must be a text"),
        ("name", json!("é"), "`name` must have at least 2 characters"),
        (
            "name",
            json!("ééééé"),
            "`name` must have at most 4 characters",
        ),
        ("name", Value::Null, "`name` is missing"),
        ("count", json!(-2), "`count` must be at least -1"),
        ("count", json!(32768), "`count` must be at most 32767"),
        ("count", json!(1.5), "`count` must be a whole number"),
        ("count", json!("1"), "`count` must be a whole number"),
        ("weight", json!(0.2), "`weight` must be at most 0.1"),
        ("weight", json!(true), "`weight` must be a number"),
        (
            "weight",
            json!(-1e39),
            "`weight` is a number that is too large",
        ),
        ("total", json!(-1), "`total` must be at least 0"),
        (
            "total",
            json!(1e30),
            "`total` is a number that is too large",
        ),
        ("gift", json!("true"), "`gift` must be true or false"),
        ("color", json!("blue"), "`color` must be one of the choices"),
        (
            "color",
            json!(["red"]),
            "`color` must be one of the choices",
        ),
        ("sizes", json!("Small"), "`sizes` must be a list of choices"),
        ("sizes", json!([]), "`sizes` must have at least 1 choices"),
        (
            "sizes",
            json!(["Small", "small"]),
            "`sizes` must be one of the choices",
        ),
        ("sizes", json!([1]), "`sizes` must be one of the choices"),
        (
            "colors",
            json!(["red", "red", "red"]),
            "`colors` must have at most 2 choices",
        ),
    ] {
        assert_eq!(refusal(property, value.clone()), expected, "{value}");
    }
}

#[test]
fn all_mistakes_are_reported_without_their_values() {
    let answer =
        json!({ "name": "my secret", "color": "my secret", "count": 1, "weight": 0, "gift": true });
    let errors = Order::read(answer.as_object().unwrap()).unwrap_err();
    assert_eq!(
        errors.properties().collect::<Vec<_>>(),
        ["name", "color", "sizes"]
    );
    assert!(
        !format!("{errors} {errors:?}").contains("my secret"),
        "{errors:?}"
    );
}

#[test]
fn a_default_that_breaks_a_rule_is_left_out() {
    struct Wrong;
    impl Form for Wrong {
        fn fill_in(fields: &mut FormFields<'_>) -> Option<Self> {
            fields.field::<String>("a", "", |field| field.format("date").default("soon"))?;
            fields.field::<f64>("b", "", |field| field.default(&f64::NAN))?;
            Some(Self)
        }
    }
    assert!(
        !Value::from(Wrong::schema().to_map())
            .to_string()
            .contains("default")
    );
}

#[test]
fn integers_are_read_to_the_limits_of_64_bits() {
    struct Whole(i64, u64);
    impl Form for Whole {
        fn fill_in(fields: &mut FormFields<'_>) -> Option<Self> {
            let signed = fields.field::<i64>("signed", "", |field| field);
            let unsigned = fields.field::<u64>("unsigned", "", |field| field);
            Some(Self(signed?, unsigned?))
        }
    }
    let read = |signed: Value, unsigned: Value| {
        let content = json!({ "signed": signed, "unsigned": unsigned });
        Whole::read(content.as_object().unwrap()).map(|Whole(signed, unsigned)| (signed, unsigned))
    };
    assert_eq!(
        read(json!(i64::MIN), json!(u64::MAX)),
        Ok((i64::MIN, u64::MAX))
    );
    assert_eq!(
        read(json!(-9223372036854775808.0), json!(9007199254740994.0)),
        Ok((i64::MIN, 9_007_199_254_740_994))
    );
    for (signed, unsigned) in [
        (json!(9223372036854775808_u64), json!(0)),
        (json!(-9223372036854777856.0), json!(0)),
        (json!(0), json!(18446744073709551616.0)),
        (json!(1e300), json!(0)),
    ] {
        assert!(
            read(signed.clone(), unsigned.clone()).is_err(),
            "{signed} {unsigned}"
        );
    }
}

fn dynamic(builder: ElicitationSchemaBuilder) -> Result<FormSchema, FormSchemaError> {
    FormSchema::new(&builder.build_unchecked())
}

#[test]
fn a_schema_of_mcp_becomes_a_form_with_the_same_members() {
    let mut legacy = LegacyEnumSchema::new(vec!["a".to_owned(), "b".to_owned()]);
    legacy.enum_names = Some(vec!["A".to_owned(), "B".to_owned()]);
    let titled = TitledSingleSelectEnumSchema::new(vec![ConstTitle::new("x", "X")]);
    let titled = EnumSchema::Single(rmcp::model::SingleSelectEnumSchema::Titled(titled));
    let many = EnumSchema::builder(vec!["a".to_owned()])
        .multiselect()
        .build();
    let schema = ElicitationSchema::builder()
        .required_string_with("text", |text| {
            text.length(1, 5).format(rmcp::model::StringFormat::Date)
        })
        .optional_number("number", 0.5, 1.5)
        .required_integer_with("integer", |integer| integer.range(1, 3).with_default(2))
        .optional_bool("flag", true)
        .required_enum_schema("legacy", EnumSchema::Legacy(legacy))
        .optional_enum_schema("titled", titled)
        .optional_enum_schema("many", many)
        .title("Title")
        .build()
        .unwrap()
        .with_schema("https://json-schema.org/draft/2020-12/schema");
    let form = FormSchema::new(&schema).unwrap();
    let mut members = form.to_map();
    let mut expected = serde_json::to_value(&schema).unwrap();
    for map in [&mut members, expected.as_object_mut().unwrap()] {
        let required = map
            .get_mut("required")
            .and_then(Value::as_array_mut)
            .unwrap();
        required.sort_by_key(Value::to_string);
    }
    assert_eq!(Value::from(members), expected);
}

#[test]
fn properties_keep_the_order_of_the_wire() {
    let schema: ElicitationSchema = serde_json::from_str(
        r#"{ "type": "object", "properties": { "b": { "type": "string" }, "a": { "type": "boolean" } } }"#,
    )
    .unwrap();
    let text = serde_json::to_string(&FormSchema::new(&schema).unwrap()).unwrap();
    assert!(
        text.find("\"b\"").unwrap() < text.find("\"a\"").unwrap(),
        "{text}"
    );
}

#[test]
fn a_schema_that_is_no_form_is_refused_with_its_property() {
    let text = |schema: StringSchema| PrimitiveSchemaDefinition::String(schema);
    let number = |schema: NumberSchema| PrimitiveSchemaDefinition::Number(schema);
    let choices = |choices: &[&str]| {
        let choices = choices.iter().map(|&choice| choice.to_owned()).collect();
        PrimitiveSchemaDefinition::Enum(EnumSchema::builder(choices).build())
    };
    let x = || "x".to_owned();
    let rows = [
        (
            text(StringSchema::new().min_length(3).max_length(2)),
            FormSchemaError::Limits(x()),
        ),
        (
            number(NumberSchema::new().minimum(1.5).maximum(1.0)),
            FormSchemaError::Limits(x()),
        ),
        (
            number(NumberSchema::new().minimum(f64::NAN)),
            FormSchemaError::Limits(x()),
        ),
        (
            number(NumberSchema::new().maximum(f64::INFINITY)),
            FormSchemaError::Limits(x()),
        ),
        (
            number(NumberSchema::new().minimum(1.0).with_default(0.0)),
            FormSchemaError::Default(x()),
        ),
        (
            text(StringSchema::email().with_default("ada")),
            FormSchemaError::Default(x()),
        ),
        (choices(&[]), FormSchemaError::Choices(x())),
        (choices(&["a", "a"]), FormSchemaError::Choices(x())),
    ];
    for (definition, expected) in rows {
        let builder = ElicitationSchema::builder().property("x", definition);
        assert_eq!(dynamic(builder), Err(expected));
    }
    let schema = ElicitationSchema::builder().build_unchecked();
    let schema = schema.with_required(vec!["b".to_owned()]);
    let expected = FormSchemaError::Required("b".to_owned());
    assert_eq!(FormSchema::new(&schema), Err(expected));
}

#[test]
fn a_keyword_that_nothing_checks_is_refused() {
    for schema in [
        json!({ "type": "string", "pattern": "^a" }),
        json!({ "type": "array", "items": { "type": "string", "enum": ["a"] }, "uniqueItems": true }),
    ] {
        let error = check("x", schema.as_object().unwrap()).unwrap_err();
        assert_eq!(error, FormSchemaError::Unsupported("x".to_owned()));
    }
    for schema in [
        json!({ "type": "object" }),
        json!({ "type": "string", "format": "hostname" }),
        json!({ "type": "array", "items": { "type": "string" } }),
        json!({ "type": "string", "enum": "a" }),
        json!({ "type": "string", "minLength": -1 }),
        json!({ "type": "number", "minimum": "1" }),
        json!({}),
    ] {
        let value = match schema["type"].as_str() {
            Some("array") => json!([]),
            Some("number") => json!(1),
            _ => json!("a"),
        };
        let result = checked(schema.as_object().unwrap(), &value);
        assert_eq!(result, Err(Broken::Unsupported), "{schema}");
    }
}

#[test]
fn a_schema_that_asks_for_a_secret_is_refused() {
    for name in ["password", "apiKey", "card_number"] {
        let error = dynamic(ElicitationSchema::builder().required_string(name)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("`{name}` asks for a secret")),
            "{text}"
        );
    }
    assert!(dynamic(ElicitationSchema::builder().required_integer("token_count", 0, 9)).is_ok());
}

#[test]
fn a_form_without_fields_accepts_every_answer() {
    let form = dynamic(ElicitationSchema::builder()).unwrap();
    assert_eq!(
        Value::from(form.to_map()),
        json!({ "type": "object", "properties": {} })
    );
    let answer = json!({ "unknown": 1 });
    assert_eq!(form.read(answer.as_object().unwrap()), Ok(Map::new()));
}
