use super::*;

fn plain(schema: Value, direction: Direction) -> Value {
    let Value::Object(mut members) = schema else {
        panic!("an object schema");
    };
    write_plainly(&mut members, direction);
    members.into()
}

fn property(schema: &Value, direction: Direction) -> Value {
    let whole = json!({ "type": "object", "properties": { "it": schema } });
    plain(whole, direction)["properties"]["it"].clone()
}

#[test]
fn an_optional_property_has_the_plain_schema_of_its_type() {
    let order = json!({ "enum": ["a"], "type": "string", "description": "Type." });
    for (nullable, expected) in [
        (
            json!({ "type": ["string", "null"], "description": "A name." }),
            json!({ "type": "string", "description": "A name." }),
        ),
        (
            json!({ "type": ["object", "null"], "properties": { "x": { "type": ["boolean", "null"] } } }),
            json!({ "type": "object", "properties": { "x": { "type": "boolean" } } }),
        ),
        (
            json!({ "anyOf": [order, { "type": "null" }], "description": "Field.", "default": null }),
            json!({ "enum": ["a"], "type": "string", "description": "Field." }),
        ),
        (
            json!({ "anyOf": [{ "type": "string" }, { "type": "boolean" }, { "type": "null" }] }),
            json!({ "anyOf": [{ "type": "string" }, { "type": "boolean" }] }),
        ),
        (
            json!({ "type": ["string", "null"], "enum": ["a", null] }),
            json!({ "type": "string", "enum": ["a"] }),
        ),
        (json!({ "type": "null" }), json!({ "type": "null" })),
    ] {
        assert_eq!(property(&nullable, Direction::Input), expected);
    }
}

#[test]
fn a_property_that_may_be_null_in_a_result_says_so_without_a_list_of_types() {
    let nullable =
        json!({ "type": ["array", "null"], "items": { "type": "string" }, "description": "D" });
    assert_eq!(
        property(&nullable, Direction::Output),
        json!({
            "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "null" }],
            "description": "D",
        })
    );
}

#[test]
fn a_required_argument_and_an_item_may_be_null() {
    let schema = json!({
        "type": "object",
        "properties": { "a": { "type": ["string", "null"] } },
        "required": ["a"],
    });
    let either = json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] });
    assert_eq!(plain(schema, Direction::Input)["properties"]["a"], either);
    let list = json!({ "type": "array", "items": { "type": ["string", "null"] } });
    assert_eq!(property(&list, Direction::Input)["items"], either);
}

#[test]
fn a_number_has_a_range_and_no_format() {
    for (format, expected) in [
        (
            "int32",
            json!({ "minimum": -2_147_483_648_i64, "maximum": 2_147_483_647 }),
        ),
        ("uint8", json!({ "minimum": 0, "maximum": 255 })),
        ("uint64", json!({ "minimum": 0 })),
        ("int64", json!({})),
        ("int128", json!({})),
    ] {
        let number = json!({ "type": "integer", "format": format });
        let mut expected = expected;
        expected["type"] = "integer".into();
        assert_eq!(property(&number, Direction::Input), expected);
    }
    for (schema, expected) in [
        (
            json!({ "type": "number", "format": "double" }),
            json!({ "type": "number" }),
        ),
        (
            json!({ "type": "integer", "format": "uint8", "minimum": 1, "maximum": 10 }),
            json!({ "type": "integer", "minimum": 1, "maximum": 10 }),
        ),
        (
            json!({ "type": "string", "format": "uuid" }),
            json!({ "type": "string", "format": "uuid" }),
        ),
    ] {
        assert_eq!(property(&schema, Direction::Output), expected);
    }
}

#[test]
fn no_schema_is_a_boolean_but_that_of_additional_properties() {
    for (schema, expected) in [
        (json!(true), json!({})),
        (
            json!({ "type": "array", "items": true }),
            json!({ "type": "array", "items": {} }),
        ),
        (
            json!({ "type": "object", "additionalProperties": true }),
            json!({ "type": "object", "additionalProperties": {} }),
        ),
        (
            json!({ "type": "object", "additionalProperties": false }),
            json!({ "type": "object", "additionalProperties": false }),
        ),
        (json!(false), json!({ "not": {} })),
    ] {
        assert_eq!(property(&schema, Direction::Output), expected);
    }
}

#[test]
fn variants_with_texts_are_one_enum_with_the_texts_in_its_description() {
    let variants = json!({
        "description": "How to sort.",
        "oneOf": [
            { "type": "string", "enum": ["plain", "other"] },
            { "type": "string", "const": "newest", "description": "The newest\nfirst." },
        ],
    });
    assert_eq!(
        property(&variants, Direction::Input),
        json!({
            "type": "string",
            "enum": ["plain", "other", "newest"],
            "description": "How to sort.\n\n- `newest`: The newest first.",
        })
    );
}

#[test]
fn other_alternatives_are_any_of_them() {
    let shape = json!({ "oneOf": [
        { "type": "object", "properties": { "kind": { "const": "circle", "type": "string" } } },
        { "type": "string", "enum": ["dot"] },
    ] });
    assert_eq!(
        property(&shape, Direction::Input),
        json!({ "anyOf": [
            { "type": "object", "properties": { "kind": { "enum": ["circle"], "type": "string" } } },
            { "type": "string", "enum": ["dot"] },
        ] })
    );
}

#[test]
fn every_array_has_items() {
    let pair = |places: Value| json!({ "type": "array", "prefixItems": places, "minItems": 2, "maxItems": 2 });
    for (schema, expected) in [
        (
            pair(json!([{ "type": "number" }, { "type": "number" }])),
            json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 }),
        ),
        (
            pair(json!([{ "type": "number" }, { "type": "string" }])),
            json!({
                "type": "array",
                "prefixItems": [{ "type": "number" }, { "type": "string" }],
                "items": { "anyOf": [{ "type": "number" }, { "type": "string" }] },
                "minItems": 2,
                "maxItems": 2,
            }),
        ),
        (
            json!({ "type": "array", "maxItems": 0 }),
            json!({ "type": "array", "maxItems": 0, "items": {} }),
        ),
    ] {
        assert_eq!(property(&schema, Direction::Input), expected);
    }
}

#[test]
fn a_set_of_arguments_takes_a_value_twice_and_a_set_of_results_has_none_twice() {
    let set = json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true });
    assert!(
        property(&set, Direction::Input)
            .get("uniqueItems")
            .is_none()
    );
    assert_eq!(property(&set, Direction::Output), set);
}

#[test]
fn patterns_have_no_escapes_that_ecmascript_does_not_know() {
    for (pattern, expected) in [
        (r"a\-b\#\&\~", "a-b#&~"),
        (r"[a\-b]\-\.\\-", r"[a\-b]-\.\\-"),
        (r"[\&a\#\-z]", r"[&a#\-z]"),
        ("^a$", "^a$"),
    ] {
        assert_eq!(without_needless_escapes(pattern), expected);
    }
}
