//! The return values of tools and their results: in both eras, against the published schemas and
//! against the tool's own schema.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::schema::{expect_fits, expect_result};
use crate::support::{ERAS, Era, World};

mod texts {
    use std::borrow::Cow;

    use mcp_auth::mcp_tool;

    #[mcp_tool]
    async fn owned() -> String {
        "tea \"for\" two\n\u{1f375}\u{0}".to_owned()
    }

    #[mcp_tool]
    async fn borrowed() -> &'static str {
        ""
    }

    #[mcp_tool]
    async fn either() -> Cow<'static, str> {
        Cow::Borrowed("cow")
    }

    #[mcp_tool]
    async fn boolean() -> bool {
        true
    }

    #[mcp_tool]
    async fn character() -> char {
        '<'
    }

    #[mcp_tool]
    async fn small() -> i8 {
        -128
    }

    #[mcp_tool]
    async fn large() -> u128 {
        u128::MAX
    }

    #[mcp_tool]
    async fn float() -> f64 {
        0.5
    }

    #[mcp_tool]
    async fn present() -> Option<String> {
        Some("here".to_owned())
    }

    #[mcp_tool]
    async fn fine() -> Result<u8, mcp_auth::ToolError> {
        Ok(7)
    }
}

mod empty {
    use mcp_auth::mcp_tool;

    #[mcp_tool]
    async fn unit() {}

    #[mcp_tool]
    async fn nothing() -> Option<String> {
        None
    }

    #[mcp_tool]
    async fn unit_result() -> Result<(), mcp_auth::ToolError> {
        Ok(())
    }
}

mod typed {
    use std::collections::BTreeMap;

    use mcp_auth::{Json, ToolError, mcp_tool};
    use schemars::JsonSchema;
    use serde::Serialize;

    #[derive(Serialize, JsonSchema)]
    struct Point {
        x: i32,
        #[serde(rename = "Y")]
        y: i32,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Tree {
        value: u8,
        children: Vec<Self>,
    }

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Expression {
        Number(u8),
        Sum(Vec<Self>),
    }

    #[derive(Serialize, JsonSchema)]
    struct Unit;

    fn point(x: i32) -> Point {
        Point {
            x,
            y: -x,
            label: None,
        }
    }

    fn tree() -> Tree {
        let leaf = |value| Tree {
            value,
            children: Vec::new(),
        };
        Tree {
            value: 1,
            children: vec![leaf(2), leaf(3)],
        }
    }

    fn sum() -> Expression {
        Expression::Sum(vec![Expression::Number(1), Expression::Sum(Vec::new())])
    }

    #[mcp_tool]
    async fn object() -> Json<Point> {
        Json(point(1))
    }

    #[mcp_tool]
    async fn map() -> Json<BTreeMap<String, u8>> {
        Json(BTreeMap::from([("a".to_owned(), 1)]))
    }

    #[mcp_tool]
    async fn list() -> Json<Vec<Point>> {
        Json(vec![point(1), point(2)])
    }

    #[mcp_tool]
    async fn number() -> Json<u64> {
        Json(u64::MAX)
    }

    #[mcp_tool]
    async fn text() -> Json<String> {
        Json("tea".to_owned())
    }

    #[mcp_tool]
    async fn unit() -> Json<Unit> {
        Json(Unit)
    }

    #[mcp_tool]
    async fn anything() -> Json<serde_json::Value> {
        Json(serde_json::json!([1, { "a": null }]))
    }

    #[mcp_tool]
    async fn perhaps() -> Json<Option<Point>> {
        Json(None)
    }

    #[mcp_tool]
    async fn absent() -> Option<Json<Point>> {
        None
    }

    #[mcp_tool]
    async fn present() -> Option<Json<Point>> {
        Some(Json(point(3)))
    }

    #[mcp_tool]
    async fn fine() -> Result<Json<Vec<u8>>, ToolError> {
        Ok(Json(vec![1, 2]))
    }

    #[mcp_tool]
    async fn recursive() -> Json<Tree> {
        Json(tree())
    }

    #[mcp_tool]
    async fn recursive_list() -> Json<Vec<Tree>> {
        Json(vec![tree()])
    }

    #[mcp_tool]
    async fn recursive_option() -> Option<Json<Tree>> {
        Some(Json(tree()))
    }

    #[mcp_tool]
    async fn recursive_enum() -> Json<Expression> {
        Json(sum())
    }
}

mod composed {
    use mcp_auth::model::{CallToolResult, ContentBlock};
    use mcp_auth::{ToolError, mcp_tool};
    use serde_json::json;

    #[mcp_tool]
    async fn several() -> CallToolResult {
        CallToolResult::success(vec![
            ContentBlock::text("a picture"),
            ContentBlock::image("aGk=", "image/png"),
            ContentBlock::embedded_text("test://a", "text"),
        ])
    }

    #[mcp_tool]
    async fn structured() -> CallToolResult {
        CallToolResult::structured(json!({ "a": 1 }))
    }

    #[mcp_tool]
    async fn failed() -> Result<CallToolResult, ToolError> {
        Ok(CallToolResult::error(vec![ContentBlock::text("no luck")]))
    }

    #[mcp_tool]
    async fn with_meta() -> CallToolResult {
        let mut result = CallToolResult::success(vec![ContentBlock::text("x")]);
        let meta = json!({ "example.com/a": 1 });
        result.meta = Some(serde_json::from_value(meta).unwrap());
        result
    }

    #[mcp_tool]
    async fn block() -> ContentBlock {
        ContentBlock::audio("aGk=", "audio/wav")
    }

    #[mcp_tool]
    async fn blocks() -> Vec<ContentBlock> {
        vec![ContentBlock::text("a"), ContentBlock::text("b")]
    }
}

mod failing {
    use std::collections::BTreeMap;
    use std::fmt;

    use mcp_auth::{Json, PublicErrorExt, ToolError, mcp_tool};
    use serde::Serialize;

    #[derive(Debug)]
    struct Broken;

    impl fmt::Display for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("password=hunter2")
        }
    }

    impl std::error::Error for Broken {}

    /// A type whose schema says that it is an object and that cannot be serialised.
    #[derive(Serialize, schemars::JsonSchema)]
    struct Unwritable {
        #[schemars(with = "BTreeMap<String, u8>")]
        map: BTreeMap<(u8, u8), u8>,
    }

    #[mcp_tool]
    async fn told() -> Result<String, ToolError> {
        Err(ToolError::new("No such document"))
    }

    #[mcp_tool]
    async fn told_instead() -> Result<Json<u8>, ToolError> {
        let n: u8 = "x".parse().or_public("Not a number: try digits")?;
        Ok(Json(n))
    }

    #[mcp_tool]
    async fn told_of_nothing() -> Result<u8, ToolError> {
        None.or_public("Nothing there")
    }

    #[mcp_tool]
    async fn hidden() -> Result<String, ToolError> {
        Err(Broken)?
    }

    #[mcp_tool]
    async fn foreign() -> Result<String, Broken> {
        Err(Broken)
    }

    #[mcp_tool]
    async fn text_by_question_mark() -> Result<(), ToolError> {
        Err("password=hunter2".to_owned())?
    }

    #[mcp_tool]
    async fn unwritable() -> Json<Unwritable> {
        Json(Unwritable {
            map: BTreeMap::from([((1, 2), 3)]),
        })
    }
}

/// Calls a tool without arguments. Returns the result without the members that all modern results
/// have.
async fn run(world: &World, era: Era, tool: &str) -> Value {
    let reply = world
        .call(era, tool, json!({}))
        .bearer(&world.ada())
        .send()
        .await;
    let mut result = expect_result(era, "CallToolResult", &reply);
    if era == Era::Modern {
        let members = result.as_object_mut().unwrap();
        members.remove("resultType").unwrap();
        let meta = members["_meta"].as_object_mut().unwrap();
        meta.remove("io.modelcontextprotocol/serverInfo").unwrap();
        if meta.is_empty() {
            members.remove("_meta");
        }
    }
    result
}

/// The output schemas of all tools that have one.
async fn output_schemas(world: &World) -> HashMap<String, Value> {
    let mut lists = Vec::new();
    for era in ERAS {
        let reply = world.list(era).bearer(&world.ada()).send().await;
        let result = expect_result(era, "ListToolsResult", &reply);
        lists.push(result["tools"].clone());
    }
    assert_eq!(lists[0], lists[1]);
    let tools = lists[0].as_array().unwrap().iter();
    let typed = tools.filter(|tool| tool.get("outputSchema").is_some());
    typed
        .map(|tool| {
            (
                tool["name"].as_str().unwrap().to_owned(),
                tool["outputSchema"].clone(),
            )
        })
        .collect()
}

fn text(text: &str) -> Value {
    json!([{ "type": "text", "text": text }])
}

#[actix_web::test]
async fn text_and_numbers_are_one_text_block() {
    let world = World::of("protocol::results::texts", |builder| builder).await;
    assert!(output_schemas(&world).await.is_empty());
    for era in ERAS {
        for (tool, expected) in [
            ("owned", "tea \"for\" two\n\u{1f375}\u{0}"),
            ("borrowed", ""),
            ("either", "cow"),
            ("boolean", "true"),
            ("character", "<"),
            ("small", "-128"),
            ("large", "340282366920938463463374607431768211455"),
            ("float", "0.5"),
            ("present", "here"),
            ("fine", "7"),
        ] {
            assert_eq!(
                run(&world, era, tool).await,
                json!({ "content": text(expected) }),
                "{tool}"
            );
        }
    }
}

#[actix_web::test]
async fn a_tool_without_a_return_value_has_an_empty_result() {
    let world = World::of("protocol::results::empty", |builder| builder).await;
    assert!(output_schemas(&world).await.is_empty());
    for era in ERAS {
        for tool in ["unit", "nothing", "unit_result"] {
            assert_eq!(
                run(&world, era, tool).await,
                json!({ "content": [] }),
                "{tool}"
            );
        }
    }
}

#[actix_web::test]
async fn a_typed_result_is_structured_and_fits_its_schema() {
    let world = World::of("protocol::results::typed", |builder| builder).await;
    let schemas = output_schemas(&world).await;
    let point = |x: i32| json!({ "x": x, "Y": -x });
    let tree = json!({
        "value": 1,
        "children": [{ "value": 2, "children": [] }, { "value": 3, "children": [] }],
    });
    for (tool, expected) in [
        ("object", point(1)),
        ("map", json!({ "a": 1 })),
        ("list", json!({ "result": [point(1), point(2)] })),
        ("number", json!({ "result": u64::MAX })),
        ("text", json!({ "result": "tea" })),
        ("unit", json!({ "result": null })),
        ("anything", json!({ "result": [1, { "a": null }] })),
        ("perhaps", json!({ "result": null })),
        ("absent", json!({ "result": null })),
        ("present", json!({ "result": point(3) })),
        ("fine", json!({ "result": [1, 2] })),
        ("recursive", tree.clone()),
        ("recursive_list", json!({ "result": [tree] })),
    ] {
        expect_structured(&world, &schemas, tool, &expected).await;
    }
    assert_eq!(schemas.len(), 15);
}

#[actix_web::test]
async fn a_wrapped_result_of_a_recursive_type_fits_its_schema() {
    let world = World::of("protocol::results::typed", |builder| builder).await;
    let schemas = output_schemas(&world).await;
    let leaf = |value: u8| json!({ "value": value, "children": [] });
    let tree = json!({ "result": { "value": 1, "children": [leaf(2), leaf(3)] } });
    expect_structured(&world, &schemas, "recursive_option", &tree).await;
    let sum = json!({ "result": { "sum": [{ "number": 1 }, { "sum": [] }] } });
    expect_structured(&world, &schemas, "recursive_enum", &sum).await;
}

async fn expect_structured(
    world: &World,
    schemas: &HashMap<String, Value>,
    tool: &str,
    expected: &Value,
) {
    for era in ERAS {
        let result = run(world, era, tool).await;
        assert_eq!(result["structuredContent"], *expected, "{tool}");
        let block = result["content"][0]["text"].as_str().unwrap();
        let block: Value = serde_json::from_str(block).unwrap();
        assert_eq!(block, *expected, "{tool}");
        assert_eq!(result.as_object().unwrap().len(), 2, "{result}");
        let schema = &schemas[tool];
        assert_eq!(schema["type"], "object", "{tool}");
        expect_fits(schema, expected);
    }
}

#[actix_web::test]
async fn the_schema_of_a_typed_result_refuses_another_shape() {
    let world = World::of("protocol::results::typed", |builder| builder).await;
    let schemas = output_schemas(&world).await;
    for (tool, wrong) in [
        ("object", json!({ "x": 1 })),
        ("object", json!({ "x": "1", "Y": 1 })),
        ("list", json!([{ "x": 1, "Y": 1 }])),
        ("list", json!({ "result": [{ "x": 1 }] })),
        ("list", json!({})),
        ("number", json!({ "result": "1" })),
        (
            "recursive",
            json!({ "value": 1, "children": [{ "value": 2 }] }),
        ),
        (
            "recursive_list",
            json!({ "result": [{ "value": 1, "children": [{}] }] }),
        ),
    ] {
        let validator = jsonschema::validator_for(&schemas[tool]).unwrap();
        assert!(!validator.is_valid(&wrong), "{tool}: {wrong}");
    }
}

#[actix_web::test]
async fn a_composed_result_is_sent_unchanged() {
    let world = World::of("protocol::results::composed", |builder| builder).await;
    for era in ERAS {
        let image = json!({ "type": "image", "data": "aGk=", "mimeType": "image/png" });
        let result = run(&world, era, "several").await;
        assert_eq!(result["content"][0], text("a picture")[0]);
        assert_eq!(result["content"][1], image);
        assert_eq!(result["content"][2]["resource"]["uri"], "test://a");
        assert_eq!(result.get("isError"), None);

        let result = run(&world, era, "structured").await;
        assert_eq!(result["structuredContent"], json!({ "a": 1 }));
        let block: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(block, json!({ "a": 1 }));

        let expected = json!({ "content": text("no luck"), "isError": true });
        assert_eq!(run(&world, era, "failed").await, expected);
        let expected = json!({ "content": text("x"), "_meta": { "example.com/a": 1 } });
        assert_eq!(run(&world, era, "with_meta").await, expected);
        let audio = json!([{ "type": "audio", "data": "aGk=", "mimeType": "audio/wav" }]);
        assert_eq!(run(&world, era, "block").await, json!({ "content": audio }));
        let both = [text("a")[0].clone(), text("b")[0].clone()];
        assert_eq!(run(&world, era, "blocks").await, json!({ "content": both }));
    }
}

#[actix_web::test]
async fn a_public_error_is_its_text_without_structured_content() {
    let world = World::of("protocol::results::failing", |builder| builder).await;
    for era in ERAS {
        for (tool, expected) in [
            ("told", "No such document"),
            ("told_instead", "Not a number: try digits"),
            ("told_of_nothing", "Nothing there"),
        ] {
            let expected = json!({ "content": text(expected), "isError": true });
            assert_eq!(run(&world, era, tool).await, expected, "{tool}");
        }
    }
}

#[actix_web::test]
async fn any_other_error_is_replaced_by_a_reference() {
    let world = World::of("protocol::results::failing", |builder| builder).await;
    for era in ERAS {
        for tool in ["hidden", "foreign", "text_by_question_mark", "unwritable"] {
            let result = run(&world, era, tool).await;
            let told = result["content"][0]["text"].as_str().unwrap();
            assert!(
                told.starts_with("Internal error, reference "),
                "{tool}: {told}"
            );
            assert_eq!(
                result,
                json!({ "content": text(told), "isError": true }),
                "{tool}"
            );
        }
    }
}
