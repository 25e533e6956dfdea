//! Types with `#[data]` as arguments: unknown members are refused, and the schema says so.

use serde_json::{Value, json};

use crate::schema::expect_result;
use crate::support::{ERAS, Era, World};

mod tools {
    use std::collections::BTreeMap;

    use mcp_auth::{Json, data, mcp_tool};

    #[data]
    struct Page {
        size: u8,
        #[serde(default)]
        from: Option<String>,
    }

    #[data(allow_unknown)]
    struct Loose {
        size: u8,
    }

    #[data(allow_unknown)]
    struct Rest {
        size: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }

    #[data]
    #[serde(rename_all = "snake_case")]
    enum Filter {
        All,
        By { column: String },
        Among(Vec<Self>),
    }

    #[data]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Tagged {
        Plain {},
        Sized { size: u8 },
        Wrapped(Page),
    }

    #[data]
    #[serde(tag = "kind", content = "of", rename_all = "snake_case")]
    enum Adjacent {
        Plain,
        Sized { size: u8 },
    }

    #[data]
    #[serde(untagged)]
    enum Untagged {
        Sized { size: u8 },
        Named { name: String },
    }

    #[mcp_tool]
    async fn tagged(page: Tagged) -> Json<Tagged> {
        Json(page)
    }

    #[mcp_tool]
    async fn flat_tagged(#[arg(flatten)] page: Tagged) -> Json<Tagged> {
        Json(page)
    }

    /// A type without `#[data]`, which does not refuse unknown members.
    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Lax {
        Plain,
        Sized { size: u8 },
    }

    #[mcp_tool]
    async fn flat_lax(#[arg(flatten)] page: Lax) -> Json<Lax> {
        Json(page)
    }

    #[mcp_tool]
    async fn flat_rest(#[arg(flatten)] page: Rest) -> Json<Rest> {
        Json(page)
    }

    #[mcp_tool]
    async fn adjacent(page: Adjacent) -> Json<Adjacent> {
        Json(page)
    }

    #[mcp_tool]
    async fn untagged(page: Untagged) -> Json<Untagged> {
        Json(page)
    }

    #[mcp_tool]
    async fn strict(page: Page) -> Json<Page> {
        Json(page)
    }

    #[mcp_tool]
    async fn flat(#[arg(flatten)] page: Page) -> Json<Page> {
        Json(page)
    }

    #[mcp_tool]
    async fn loose(page: Loose) -> Json<Loose> {
        Json(page)
    }

    #[mcp_tool]
    async fn rest(page: Rest) -> Json<Rest> {
        Json(page)
    }

    #[mcp_tool]
    async fn filter(page: Filter) -> Json<Filter> {
        Json(page)
    }
}

/// The structured result, or the text of the refusal.
async fn run(world: &World, era: Era, tool: &str, arguments: Value) -> Result<Value, String> {
    let ask = world.call(era, tool, arguments).bearer(&world.ada());
    let reply = ask.send().await;
    let result = expect_result(era, "CallToolResult", &reply);
    if result["isError"] == true {
        Err(reply.text())
    } else {
        Ok(result["structuredContent"].clone())
    }
}

#[actix_web::test]
async fn known_members_are_read_and_written_back() {
    let world = World::of("protocol::data::tools", |builder| builder).await;
    let both = json!({ "size": 1, "from": "a" });
    let by = json!({ "among": ["all", { "by": { "column": "a" } }] });
    for era in ERAS {
        for (tool, arguments, expected) in [
            ("strict", json!({ "page": both }), both.clone()),
            (
                "strict",
                json!({ "page": { "size": 1 } }),
                json!({ "size": 1, "from": null }),
            ),
            ("flat", both.clone(), both.clone()),
            ("loose", json!({ "page": both }), json!({ "size": 1 })),
            (
                "rest",
                json!({ "page": { "size": 1, "a": 2 } }),
                json!({ "size": 1, "a": 2 }),
            ),
            ("filter", json!({ "page": by }), json!({ "result": by })),
        ] {
            assert_eq!(
                run(&world, era, tool, arguments).await,
                Ok(expected),
                "{tool}"
            );
        }
    }
}

#[actix_web::test]
async fn unknown_members_are_refused() {
    let world = World::of("protocol::data::tools", |builder| builder).await;
    let unknown = json!({ "size": 1, "form": "a" });
    let expected = "unknown field `form`, expected `size` or `from`";
    for era in ERAS {
        for (tool, arguments, expected) in [
            ("strict", json!({ "page": unknown }), expected),
            (
                "flat",
                unknown.clone(),
                "unknown field `form`, expected one of `from`, `size`",
            ),
            (
                "filter",
                json!({ "page": { "by": { "column": "a", "row": 1 } } }),
                "unknown field `row`, expected `column`",
            ),
            (
                "filter",
                json!({ "page": "none" }),
                "unknown variant `none`, expected one of `all`, `by`, `among`",
            ),
        ] {
            let refusal = run(&world, era, tool, arguments).await.unwrap_err();
            assert!(refusal.starts_with("Invalid argument"), "{tool}: {refusal}");
            assert!(refusal.ends_with(expected), "{tool}: {refusal}");
        }
    }
}

#[actix_web::test]
async fn every_form_of_an_enum_refuses_unknown_members() {
    let world = World::of("protocol::data::tools", |builder| builder).await;
    for (tool, known) in [
        ("tagged", json!({ "kind": "plain" })),
        ("tagged", json!({ "kind": "sized", "size": 1 })),
        ("tagged", json!({ "kind": "wrapped", "size": 1 })),
        ("adjacent", json!({ "kind": "plain" })),
        ("adjacent", json!({ "kind": "sized", "of": { "size": 1 } })),
        ("untagged", json!({ "size": 1 })),
        ("untagged", json!({ "name": "a" })),
    ] {
        let mut unknown = known.clone();
        unknown["dry_run"] = true.into();
        let run = |page: &Value| run(&world, Era::Modern, tool, json!({ "page": page }));
        assert!(run(&known).await.is_ok(), "{tool}: {known}");
        let refusal = run(&unknown).await;
        assert!(refusal.is_err(), "{tool}: {unknown} gives {refusal:?}");
    }
}

#[actix_web::test]
async fn an_enum_as_all_arguments_refuses_other_members() {
    let world = World::of("protocol::data::tools", |builder| builder).await;
    let list = world.list(Era::Modern).bearer(&world.ada()).send().await;
    let list = expect_result(Era::Modern, "ListToolsResult", &list);
    for (tool, known) in [
        ("flat_tagged", json!({ "kind": "plain" })),
        ("flat_tagged", json!({ "kind": "sized", "size": 1 })),
        ("flat_tagged", json!({ "kind": "wrapped", "size": 1 })),
        ("flat_lax", json!({ "kind": "plain" })),
        ("flat_lax", json!({ "kind": "sized", "size": 1 })),
        ("flat_rest", json!({ "size": 1, "a": 2 })),
    ] {
        let mut tools = list["tools"].as_array().unwrap().iter();
        let schema = &tools.find(|listed| listed["name"] == tool).unwrap()["inputSchema"];
        let validator = jsonschema::validator_for(schema).unwrap();
        assert!(validator.is_valid(&known), "{tool}: {known}, {schema}");
        let mut unknown = known.clone();
        unknown["dry_run"] = true.into();
        let answer = run(&world, Era::Modern, tool, known).await;
        assert!(answer.is_ok(), "{tool}: {answer:?}");
        let refusal = run(&world, Era::Modern, tool, unknown).await;
        assert!(refusal.is_err(), "{tool}: {refusal:?}");
    }
}

#[actix_web::test]
async fn the_schema_of_data_is_closed_unless_unknown_fields_are_allowed() {
    let world = World::of("protocol::data::tools", |builder| builder).await;
    let list = world.list(Era::Modern).bearer(&world.ada()).send().await;
    let list = expect_result(Era::Modern, "ListToolsResult", &list);
    let value = |tool: &str| {
        let tools = list["tools"].as_array().unwrap();
        let tool = tools.iter().find(|listed| listed["name"] == tool).unwrap();
        tool["inputSchema"]["properties"]["page"].clone()
    };
    let unknown = |tool: &str| value(tool)["additionalProperties"].clone();
    assert_eq!(unknown("strict"), false);
    assert_eq!(unknown("loose"), Value::Null);
    assert_eq!(unknown("rest")["type"], "integer");
    let by = &value("filter")["anyOf"][1]["properties"]["by"];
    assert_eq!(by["additionalProperties"], false);
}
