use serde_json::json;

use super::*;

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "n": { "type": "integer" },
            "x": { "type": "number" },
            "s": { "type": "string" },
            "b": { "type": "boolean" },
            "any": {},
            "list": { "type": "array", "items": { "type": "integer" } },
            "pair": { "prefixItems": [{ "type": "string" }, { "type": "integer" }], "items": {}, "type": "array" },
            "map": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Page" } },
            "either": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
            "shape": { "anyOf": [
                { "type": "object", "properties": { "r": { "type": "integer" } }, "required": ["r"] },
                { "type": "string" },
            ] },
        },
        "required": ["n"],
        "$defs": { "Page": { "type": "object", "properties": { "size": { "type": "integer" } } } },
    })
}

fn strict(text: &str) -> Option<String> {
    repaired(text, &schema(), false).map(|(text, _)| text)
}

#[test]
fn integral_floats_become_integers_wherever_the_schema_has_an_integer() {
    for (text, expected) in [
        (r#"{"n":10.0}"#, r#"{"n":10}"#),
        (r#"{"n":1e1,"x":1e1}"#, r#"{"n":10,"x":1e1}"#),
        (r#"{"list":[1.0,2,3.50e2]}"#, r#"{"list":[1,2,350]}"#),
        (r#"{"pair":["1.0",2.0,3.0]}"#, r#"{"pair":["1.0",2,3.0]}"#),
        (
            r#"{"map":{"a":{"size":4.0}}}"#,
            r#"{"map":{"a":{"size":4}}}"#,
        ),
        (
            r#"{"either":5.0,"shape":{"r":6.0}}"#,
            r#"{"either":5,"shape":{"r":6}}"#,
        ),
    ] {
        assert_eq!(strict(text).as_deref(), Some(expected));
    }
    for text in [
        r#"{"n":10.5}"#,
        r#"{"n":1e40}"#,
        r#"{"x":1.0,"any":1.0}"#,
        r#"{"n":7}"#,
    ] {
        assert_eq!(strict(text), None, "{text}");
    }
}

#[test]
fn integers_keep_every_digit() {
    for (text, expected) in [
        ("9007199254740993.0", Some("9007199254740993")),
        ("18446744073709551615.000", Some("18446744073709551615")),
        (
            "1.7014118346046923173168730371588410572e37",
            Some("17014118346046923173168730371588410572"),
        ),
        ("-1.0", Some("-1")),
        ("120e-1", Some("12")),
        ("1.5e1", Some("15")),
        ("0.0", Some("0")),
        ("-0", Some("0")),
        ("0e999999999999999999999", Some("0")),
        ("-0.0E+5", Some("0")),
        ("12", None),
        ("0", None),
        ("-7", None),
        ("10.5", None),
        ("1e-1", None),
        ("1e39", None),
        ("1e9999999999999999999999", None),
        ("1e9223372036854775807", None),
    ] {
        assert_eq!(integer(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn null_is_absent_where_the_schema_does_not_ask_for_the_argument() {
    assert_eq!(
        strict(r#"{"n":1,"s":null,"x":null}"#).as_deref(),
        Some(r#"{"n":1}"#)
    );
    assert_eq!(
        strict(r#"{"map":{"a":{"size":null}}}"#).as_deref(),
        Some(r#"{"map":{"a":{}}}"#)
    );
    for text in [
        // These cases stay unchanged: a required argument, an unknown argument, values that may be
        // `null`, and an item.
        r#"{"n":null}"#,
        r#"{"unknown":null}"#,
        r#"{"any":null,"either":null}"#,
        r#"{"list":[null]}"#,
    ] {
        assert_eq!(strict(text), None, "{text}");
    }
}

#[test]
fn null_never_hides_a_second_argument_of_the_name() {
    for text in [
        r#"{"s":null,"s":"x"}"#,
        r#"{"s":"x","\u0073":null}"#,
        r#"{"s":null,"s":null}"#,
    ] {
        assert_eq!(strict(text), None, "{text}");
    }
}

#[test]
fn a_list_or_an_object_where_the_schema_has_none_is_named() {
    for (text, expected) in [
        (
            r#"{"n":1,"shape":[1]}"#,
            "`shape`: invalid type: a list, expected object or string",
        ),
        (
            r#"{"s":{"a":null}}"#,
            "`s`: invalid type: an object, expected string",
        ),
        (
            r#"{"list":[1,[2]]}"#,
            "`list[1]`: invalid type: a list, expected integer",
        ),
        (
            r#"{"map":{"a":[3]}}"#,
            "`map.a`: invalid type: a list, expected object",
        ),
    ] {
        let expected = format!("Invalid argument {expected}");
        assert_eq!(misplaced(text, &schema()), Some(expected));
    }
    for text in [
        r#"{"n":1}"#,
        r#"{"any":[{"a":[]}],"list":[],"map":{"a":{}},"shape":{"r":1},"unknown":[{}]}"#,
        r#"{"list":null,"s":"[{"}"#,
        r#"{"list":["#,
    ] {
        assert_eq!(misplaced(text, &schema()), None, "{text}");
    }
}

#[test]
fn an_alternative_is_found_by_its_tag() {
    let variant = |tag: &str, x: Value| {
        let properties = json!({ "k": { "type": "string", "enum": [tag] }, "x": x });
        json!({ "type": "object", "properties": properties, "required": ["k", "x"] })
    };
    let schema = json!({ "type": "object", "properties": { "it": { "anyOf": [
        variant("A", json!({ "type": "integer" })),
        variant("B", json!({ "type": "number" })),
        variant("C", json!({ "type": "array", "items": { "type": "integer" } })),
    ] } } });
    let repaired = |text: &str| repaired(text, &schema, false).map(|(text, _)| text);
    let integer = r#"{"it":{"k":"A","x":1}}"#;
    assert_eq!(
        repaired(r#"{"it":{"k":"A","x":1.0}}"#).as_deref(),
        Some(integer)
    );
    assert_eq!(repaired(r#"{"it":{"k":"B","x":1.0}}"#), None);
    let misplaced = |text: &str| misplaced(text, &schema);
    let expected = "Invalid argument `it.x`: invalid type: a list, expected number";
    assert_eq!(
        misplaced(r#"{"it":{"k":"B","x":[1]}}"#).as_deref(),
        Some(expected)
    );
    assert_eq!(misplaced(r#"{"it":{"k":"C","x":[1]}}"#), None);
}

#[test]
fn alternatives_that_contain_themselves_are_looked_at_once_a_level() {
    let node = |op: &str| {
        let sides = json!({ "$ref": "#/$defs/Expr" });
        let properties = json!({ "op": { "enum": [op], "type": "string" }, "l": sides });
        json!({ "type": "object", "properties": properties, "required": ["op", "l"] })
    };
    let schema = json!({
        "type": "object",
        "properties": { "it": { "$ref": "#/$defs/Expr" } },
        "$defs": { "Expr": { "anyOf": [
            node("add"), node("sub"), node("mul"), node("div"), { "type": "integer" },
        ] } },
    });
    let nested = (0..60).fold("1.0".to_owned(), |inner, _| {
        format!(r#"{{"op":"add","l":{inner}}}"#)
    });
    let text = format!(r#"{{"it":{nested}}}"#);
    assert_eq!(misplaced(&text, &schema), None);
    assert!(repaired(&text, &schema, false).is_some());
}

#[test]
fn strings_within_strings_are_read_to_the_depth_of_serde_json() {
    let schema = json!({
        "type": "object",
        "properties": { "it": { "$ref": "#/$defs/L" } },
        "$defs": { "L": { "type": "array", "items": { "$ref": "#/$defs/L" } } },
    });
    // Each level escapes its quotes as `\u0022`, so that the length of the text does not double.
    let mut inner = format!("{}{}", "[".repeat(100), "]".repeat(100));
    for level in (0..80).rev() {
        let quote = (0..level).fold("\"".to_owned(), |quote, _| {
            quote.replace('\\', "\\u005c").replace('"', "\\u0022")
        });
        inner = format!(
            "{}{quote}{inner}{quote}{}",
            "[".repeat(100),
            "]".repeat(100)
        );
    }
    let text = serde_json::to_string(&inner).unwrap();
    let text = format!(r#"{{"it":{text}}}"#);
    // The result does not matter: deep input must not overflow the stack.
    let _ = repaired(&text, &schema, true);
}

#[test]
fn many_members_that_are_null_are_counted_once() {
    let nulls = vec![r#""s":null"#; 50_000].join(",");
    assert_eq!(strict(&format!("{{{nulls}}}")), None);
}

#[test]
fn a_long_path_is_cut() {
    let text = format!(r#"{{"map":{{"{}":[1]}}}}"#, "x".repeat(100_000));
    assert!(misplaced(&text, &schema()).unwrap().len() < 500);
}

#[test]
fn strings_are_other_values_only_where_leniency_was_asked_for() {
    let text =
        r#"{"n":"1","x":"2.5","b":"true","list":"[1, \"2\"]","map":"{\"a\":{\"size\":\"3.0\"}}"}"#;
    assert_eq!(strict(text), None);
    let (read, repairs) = repaired(text, &schema(), true).unwrap();
    assert_eq!(
        read,
        r#"{"n":1,"x":2.5,"b":true,"list":[1,2],"map":{"a":{"size":3}}}"#
    );
    let expected = Repairs {
        integers: 1,
        strings: 7,
        ..Repairs::default()
    };
    assert_eq!(repairs, expected);
    for text in [
        r#"{"s":"1","any":"1","shape":"1"}"#,
        r#"{"n":"one","b":"yes","list":"1","x":"\"1\"","either":"null"}"#,
    ] {
        assert_eq!(repaired(text, &schema(), true), None, "{text}");
    }
}

#[test]
fn additions_of_clients_are_dropped_only_where_leniency_was_asked_for() {
    let text = r#"{"toolCallId":"1","n":2,"task_progress":"- [ ] x","other":3}"#;
    assert_eq!(strict(text), None);
    let (read, repairs) = repaired(text, &schema(), true).unwrap();
    assert_eq!(
        (read.as_str(), repairs.dropped),
        (r#"{"n":2,"other":3}"#, 2)
    );
    let named = json!({ "type": "object", "properties": { "sessionId": { "type": "string" } } });
    assert_eq!(repaired(r#"{"sessionId":"1"}"#, &named, true), None);
}

#[test]
fn an_empty_string_is_an_omitted_argument_only_if_lenient_optional_and_of_another_type() {
    let text = r#"{"n":"","x":"","s":"","b":"","shape":"","any":"","list":" "}"#;
    let lenient = repaired(text, &schema(), true).map(|(text, _)| text);
    let expected = r#"{"n":"","s":"","shape":"","any":"","list":" "}"#;
    assert_eq!(lenient.as_deref(), Some(expected));
    assert_eq!(strict(text), None);
}
