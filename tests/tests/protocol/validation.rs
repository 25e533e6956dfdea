//! Rules of garde on parameters. A violation is refused before the tool runs, and the schema
//! accepts every value that the server accepts.

use serde_json::{Value, json};

use crate::schema::expect_result;
use crate::support::{ERAS, Era, World};

mod tools {
    use std::collections::{BTreeMap, HashSet};

    use garde::Validate;
    use mcp_auth::{Context, FromContext, State, ToolError, mcp_tool};
    use schemars::JsonSchema;
    use serde::Deserialize;

    use crate::support::Runs;

    const LONGEST: usize = 3;

    /// One tool for each rule. The tool takes `value` and counts its runs.
    macro_rules! ruled {
        ($($name:ident: $type:ty, ($($rule:tt)+);)+) => {$(
            #[mcp_tool]
            async fn $name(#[garde($($rule)+)] value: $type, runs: &State<Runs>) {
                let _ = value;
                runs.count();
            }
        )+};
    }

    fn even(value: &i64, (): &()) -> garde::Result {
        if value % 2 == 0 {
            Ok(())
        } else {
            Err(garde::Error::new("not even"))
        }
    }

    ruled! {
        chars: String, (length(chars, min = 2, max = LONGEST));
        chars_equal: String, (length(chars, equal = 2));
        chars_optional: Option<String>, (length(chars, min = 2));
        bytes: String, (length(bytes, min = 2, max = 4));
        simple_text: String, (length(simple, min = 2));
        utf16: String, (length(utf16, equal = 2));
        graphemes: String, (length(graphemes, min = 1, max = 2));
        list: Vec<u8>, (length(simple, min = 1, max = 2));
        set: HashSet<String>, (length(simple, max = 2));
        map: BTreeMap<String, u8>, (length(simple, min = 1));
        integer: u32, (range(min = 1, max = 10));
        integer_equal: i64, (range(equal = -3));
        integer_optional: Option<i64>, (range(max = 10));
        float: f64, (range(min = 0.5));
        pattern: String, (pattern("^[a-z]+$"));
        contains: String, (contains("a-b"));
        email: String, (email);
        url: String, (url);
        ipv4: String, (ipv4);
        required: Option<String>, (required);
        inner: Vec<String>, (length(simple, min = 1), inner(length(chars, min = 2)));
        inner_bytes: Vec<String>, (inner(length(bytes, min = 3)));
        inner_twice: Vec<Vec<u8>>, (inner(inner(range(max = 3))));
        inner_optional: Vec<Option<String>>, (inner(length(chars, max = 1)));
        ascii: String, (ascii);
        alphanumeric: String, (alphanumeric);
        prefix: String, (prefix("a"));
        suffix: String, (suffix("z"));
        custom: i64, (custom(even));
        skip: String, (skip);
        two_lengths: String, (length(chars, max = 2), length(bytes, max = 3));
    }

    #[mcp_tool]
    async fn conditional(
        #[garde(if(cond = value.len() > 2, ascii))] value: String,
        runs: &State<Runs>,
    ) {
        let _ = value;
        runs.count();
    }

    /// A struct with its own rules.
    #[derive(Deserialize, JsonSchema, Validate)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Draft {
        #[garde(length(chars, min = 1))]
        document_title: String,
        #[garde(dive)]
        sections: Vec<Section>,
    }

    #[derive(Deserialize, JsonSchema, Validate)]
    #[serde(rename_all = "camelCase")]
    #[garde(allow_unvalidated)]
    struct Section {
        #[garde(length(simple, max = 2))]
        line_numbers: Vec<u8>,
    }

    /// A struct with its own rules that uses `#[data]`.
    #[mcp_auth::data]
    #[serde(rename_all = "camelCase")]
    struct Item {
        #[garde(range(min = 1))]
        item_count: u32,
        #[garde(length(bytes, min = 4))]
        name: String,
        /// A member without a rule.
        note: Option<String>,
    }

    #[mcp_tool]
    async fn whole(
        #[arg(flatten)]
        #[garde(dive)]
        draft: Draft,
        runs: &State<Runs>,
    ) {
        let _ = (
            draft.document_title,
            draft.sections.iter().map(|s| s.line_numbers.len()),
        );
        runs.count();
    }

    #[mcp_tool(rename_all = "camelCase")]
    async fn mixed(
        #[arg(flatten)]
        #[garde(dive)]
        item: Item,
        #[garde(dive)] spare_items: Vec<Item>,
        #[garde(range(max = 3))]
        #[arg(default = 2)]
        max_depth: u8,
        #[garde(matches(max_depth))]
        #[arg(rename = "again", default = 2)]
        repeated: u8,
        #[garde(ascii)]
        #[arg(default)]
        r#type: String,
        runs: &State<Runs>,
    ) {
        let _ = (
            item.item_count,
            item.name,
            item.note,
            spare_items,
            max_depth,
            repeated,
            r#type,
        );
        runs.count();
    }

    /// Counts how often it was injected.
    struct Spy;

    impl FromContext for Spy {
        type Parts = State<Runs>;

        async fn from_context(_: &Context, runs: &State<Runs>) -> Result<Self, ToolError> {
            runs.count();
            Ok(Self)
        }
    }

    #[mcp_tool]
    async fn injected(#[garde(range(max = 1))] value: u8, spy: &Spy) {
        let (_, Spy) = (value, spy);
    }

    #[mcp_tool]
    async fn secretive(
        #[garde(
            length(chars, max = 3),
            ascii,
            pattern("^[0-9]+$"),
            contains("x"),
            email,
            url
        )]
        value: String,
    ) {
        let _ = value;
    }
}

/// Calls a tool. Returns the text of the refusal, if it was refused.
async fn refusal(world: &World, era: Era, tool: &str, arguments: Value) -> Option<String> {
    let reply = world
        .call(era, tool, arguments)
        .bearer(&world.ada())
        .send()
        .await;
    let result = expect_result(era, "CallToolResult", &reply);
    (result["isError"] == true).then(|| reply.text())
}

async fn world() -> World {
    World::of("protocol::validation::tools", |builder| builder).await
}

/// The input schemas, by tool.
async fn schemas(world: &World) -> Value {
    let reply = world.list(Era::Modern).bearer(&world.ada()).send().await;
    let result = expect_result(Era::Modern, "ListToolsResult", &reply);
    let tools = result["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| {
            (
                tool["name"].as_str().unwrap().to_owned(),
                tool["inputSchema"].clone(),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A rule, values that keep it, values that break it, the message, and the keywords of the schema.
type Row = (&'static str, Value, Value, &'static str, Value);

fn rows() -> Vec<Row> {
    let lower = "length is lower than 2";
    vec![
        (
            "chars",
            json!(["éé", "abc"]),
            json!(["é"]),
            lower,
            json!({ "minLength": 2, "maxLength": 3 }),
        ),
        (
            "chars",
            json!([]),
            json!(["abcd", "éééé"]),
            "length is greater than 3",
            json!({ "minLength": 2, "maxLength": 3 }),
        ),
        (
            "chars_equal",
            json!(["éé"]),
            json!(["é", "abc"]),
            "length is",
            json!({ "minLength": 2, "maxLength": 2 }),
        ),
        (
            "chars_optional",
            json!([null, "ab"]),
            json!(["a"]),
            lower,
            json!({ "minLength": 2 }),
        ),
        (
            "bytes",
            json!(["é", "ab", "éé"]),
            json!(["a", "ééé"]),
            "length is",
            json!({ "maxLength": 4 }),
        ),
        (
            "simple_text",
            json!(["é", "ab"]),
            json!(["a"]),
            lower,
            json!({}),
        ),
        (
            "utf16",
            json!(["ab", "\u{1f375}"]),
            json!(["a", "abc"]),
            "length is",
            json!({ "maxLength": 2 }),
        ),
        (
            "graphemes",
            json!(["a\u{301}a\u{301}"]),
            json!(["", "abc"]),
            "length is",
            json!({ "minLength": 1 }),
        ),
        (
            "list",
            json!([[1], [1, 2]]),
            json!([[], [1, 2, 3]]),
            "length is",
            json!({ "minItems": 1, "maxItems": 2 }),
        ),
        (
            "set",
            json!([[], ["a", "b"]]),
            json!([["a", "b", "c"]]),
            "length is greater than 2",
            json!({ "maxItems": 2 }),
        ),
        (
            "map",
            json!([{ "a": 1 }]),
            json!([{}]),
            "length is lower than 1",
            json!({}),
        ),
        (
            "integer",
            json!([1, 10]),
            json!([0]),
            "lower than 1",
            json!({ "minimum": 1, "maximum": 10 }),
        ),
        (
            "integer",
            json!([5]),
            json!([11]),
            "greater than 10",
            json!({ "minimum": 1, "maximum": 10 }),
        ),
        (
            "integer_equal",
            json!([-3]),
            json!([-4, 0]),
            "than -3",
            json!({ "minimum": -3, "maximum": -3 }),
        ),
        (
            "integer_optional",
            json!([null, 10]),
            json!([11]),
            "greater than 10",
            json!({ "maximum": 10 }),
        ),
        (
            "float",
            json!([0.5, 1e300]),
            json!([0.4]),
            "lower than 0.5",
            json!({ "minimum": 0.5 }),
        ),
        (
            "pattern",
            json!(["abc"]),
            json!(["", "aBc", "a1"]),
            "does not match",
            json!({ "pattern": "^[a-z]+$" }),
        ),
        (
            "contains",
            json!(["xa-bx"]),
            json!(["ab", ""]),
            "does not contain",
            json!({ "pattern": "a-b" }),
        ),
        (
            "email",
            json!(["ada@example.com"]),
            json!(["ada", ""]),
            "not a valid email",
            json!({ "format": "email" }),
        ),
        (
            "url",
            json!(["https://example.com/a"]),
            json!(["example", ""]),
            "not a valid url",
            json!({ "format": "uri" }),
        ),
        (
            "ipv4",
            json!(["127.0.0.1"]),
            json!(["::1", "a"]),
            "not a valid IPv4",
            json!({ "format": "ipv4" }),
        ),
        (
            "required",
            json!([""]),
            json!([]),
            "not set",
            json!({ "type": "string" }),
        ),
        (
            "inner",
            json!([["ab", "éé"]]),
            json!([[]]),
            "length is lower than 1",
            json!({ "minItems": 1, "items": { "type": "string", "minLength": 2 } }),
        ),
        (
            "inner_bytes",
            json!([["abc", "éé"]]),
            json!([["abc", "ab"]]),
            "length is lower than 3",
            json!({ "items": { "type": "string" } }),
        ),
        (
            "inner_twice",
            json!([[[1], [3]]]),
            json!([[[1, 4]]]),
            "greater than 3",
            json!({}),
        ),
        (
            "inner_optional",
            json!([["a", null]]),
            json!([["ab"]]),
            "length is greater than 1",
            json!({ "items": { "anyOf": [{ "type": "string", "maxLength": 1 }, { "type": "null" }] } }),
        ),
        (
            "ascii",
            json!(["a"]),
            json!(["é"]),
            "not ascii",
            json!({ "type": "string" }),
        ),
        (
            "alphanumeric",
            json!(["a1"]),
            json!(["a-1"]),
            "not alphanumeric",
            json!({}),
        ),
        (
            "prefix",
            json!(["ab"]),
            json!(["ba"]),
            "begin with",
            json!({}),
        ),
        (
            "suffix",
            json!(["az"]),
            json!(["za"]),
            "end with",
            json!({}),
        ),
        ("custom", json!([2]), json!([3]), "not even", json!({})),
        ("skip", json!(["é", ""]), json!([]), "", json!({})),
        (
            "conditional",
            json!(["é", "abc"]),
            json!(["éé"]),
            "not ascii",
            json!({}),
        ),
        (
            "two_lengths",
            json!(["é", "ab"]),
            json!(["éé", "abc"]),
            "length is greater",
            json!({ "maxLength": 2 }),
        ),
    ]
}

#[actix_web::test]
async fn a_rule_is_enforced_before_the_tool_and_its_schema_refuses_nothing_that_keeps_it() {
    let world = world().await;
    let schemas = schemas(&world).await;
    let mut runs = 0;
    for (tool, kept, broken, message, shown) in rows() {
        let schema = &schemas[tool];
        let property = &schema["properties"]["value"];
        for (keyword, expected) in shown.as_object().unwrap() {
            assert_eq!(property[keyword], *expected, "{tool}: {property}");
        }
        // `minimum` and `maximum` are also there without a rule, for the range of the type.
        for keyword in ["minLength", "maxLength", "minItems", "maxItems", "pattern"] {
            let is_shown = shown.get(keyword).is_some();
            assert_eq!(
                property.get(keyword).is_some(),
                is_shown,
                "{tool}: {property}"
            );
        }
        let validator = jsonschema::validator_for(schema).unwrap();
        for value in kept.as_array().unwrap() {
            let arguments = json!({ "value": value });
            // The schema does not show `null` for an optional argument.
            let is_shown = value.is_null() || validator.is_valid(&arguments);
            assert!(is_shown, "{tool} {value}: {schema}");
            assert_eq!(
                refusal(&world, Era::Modern, tool, arguments).await,
                None,
                "{tool} {value}"
            );
            runs += 1;
        }
        for value in broken.as_array().unwrap() {
            let refusal = refusal(&world, Era::Modern, tool, json!({ "value": value })).await;
            let refusal = refusal.unwrap_or_else(|| panic!("{tool} took {value}"));
            assert!(
                refusal.starts_with("Invalid argument `value"),
                "{tool}: {refusal}"
            );
            assert!(refusal.contains(message), "{tool}: {refusal}");
        }
    }
    world.expect_runs(runs);
}

#[actix_web::test]
async fn a_required_option_must_be_there() {
    let world = world().await;
    let schema = schemas(&world).await["required"].clone();
    assert_eq!(schema["required"], json!(["value"]));
    for arguments in [json!({}), json!({ "value": null })] {
        let refusal = refusal(&world, Era::Legacy, "required", arguments)
            .await
            .unwrap();
        assert_eq!(refusal, "Invalid argument `value`: not set");
    }
}

#[actix_web::test]
async fn all_violations_are_listed_under_the_names_that_the_client_sent() {
    let world = world().await;
    let section = |lines: Value| json!({ "lineNumbers": lines });
    for era in ERAS {
        let draft = json!({
            "documentTitle": "",
            "sections": [section(json!([1])), section(json!([1, 2, 3]))],
        });
        assert_eq!(
            refusal(&world, era, "whole", draft).await.unwrap(),
            "Invalid arguments: `documentTitle`: length is lower than 1; \
             `sections[1].lineNumbers`: length is greater than 2"
        );
        let arguments = json!({
            "itemCount": 0,
            "name": "long enough",
            "spareItems": [{ "itemCount": 0, "name": "four" }],
            "maxDepth": 9,
            "again": 8,
            "type": "é",
        });
        let told = refusal(&world, era, "mixed", arguments).await.unwrap();
        let mut told: Vec<_> = told
            .strip_prefix("Invalid arguments: ")
            .unwrap()
            .split("; ")
            .collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [
                "`again`: does not match max_depth field",
                "`itemCount`: lower than 1",
                "`maxDepth`: greater than 3",
                "`spareItems[0].itemCount`: lower than 1",
                "`type`: not ascii",
            ]
        );
    }
    world.expect_runs(0);
    let fine = json!({ "itemCount": 1, "name": "four", "spareItems": [], "maxDepth": 2 });
    assert_eq!(refusal(&world, Era::Modern, "mixed", fine).await, None);
    let fine = json!({ "documentTitle": "a", "sections": [] });
    assert_eq!(refusal(&world, Era::Modern, "whole", fine).await, None);
    world.expect_runs(2);
}

#[actix_web::test]
async fn nothing_is_injected_for_arguments_that_break_a_rule() {
    let world = world().await;
    assert!(
        refusal(&world, Era::Modern, "injected", json!({ "value": 2 }))
            .await
            .is_some()
    );
    world.expect_runs(0);
    assert_eq!(
        refusal(&world, Era::Modern, "injected", json!({ "value": 1 })).await,
        None
    );
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_refusal_does_not_repeat_the_value() {
    let world = world().await;
    let secret = "hünter2-hünter2";
    let told = refusal(&world, Era::Modern, "secretive", json!({ "value": secret }))
        .await
        .unwrap();
    assert_eq!(told.matches("; ").count(), 5, "{told}");
    assert!(!told.contains("nter2"), "{told}");
}

#[actix_web::test]
async fn a_caller_without_the_right_learns_nothing_of_the_rules() {
    let world = world().await;
    let reply = world
        .call(Era::Modern, "integer", json!({ "value": 99 }))
        .send()
        .await;
    reply.expect_status(401);
    world.expect_runs(0);
}

#[actix_web::test]
async fn only_the_first_of_many_violations_are_listed() {
    let world = world().await;
    let list = vec!["a"; 5_000];
    let told = refusal(&world, Era::Modern, "inner", json!({ "value": list }))
        .await
        .unwrap();
    assert!(
        told.starts_with("Invalid arguments: `value[0]`: "),
        "{told}"
    );
    assert!(told.ends_with("; and 4980 more"), "{told}");
}
