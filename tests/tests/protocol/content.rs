//! Every kind of content that a tool may return, and its description in `tools/list`, in every
//! revision and against the published schemas.

use expect_test::expect_file;
use serde_json::{Value, json};

use crate::schema::expect_result;
use crate::support::{Era, LEGACY, MODERN, World};

mod tools {
    use mcp_auth::model::{self, CallToolResult, ContentBlock, Role};
    use mcp_auth::{Content, Json, ToolError, mcp_tool};

    /// A position.
    #[mcp_auth::data]
    struct Point {
        /// To the right.
        x: i32,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    }

    /// Answer with a text.
    #[mcp_tool(read_only, title = "A text")]
    async fn text() -> Content {
        Content::text("tea")
    }

    /// Answer with a picture.
    #[mcp_tool(
        icon = "https://example.com/image.png",
        icon(
            "data:image/svg+xml;base64,PHN2Zy8+",
            mime_type = "image/svg+xml",
            sizes("48x48", "any"),
            theme = "dark"
        )
    )]
    async fn image() -> Content {
        Content::png([0xff, 0xfe])
    }

    #[mcp_tool]
    fn image_of_a_type() -> Content {
        Content::image("image/webp", "hi")
    }

    #[mcp_tool(meta(
        "com.example/team" = "billing",
        "com.example/tier" = -3,
        "com.example/share" = 0.5,
        "beta" = true
    ))]
    async fn audio() -> Content {
        Content::audio("audio/wav", b"hi")
    }

    #[mcp_tool]
    async fn link() -> Content {
        Content::link("report://2025", "report")
    }

    #[mcp_tool]
    async fn link_with_details() -> Content {
        let resource = model::Resource::new("report://2025", "report");
        resource
            .with_title("Report")
            .with_mime_type("text/markdown")
            .with_size(12)
            .into()
    }

    #[mcp_tool]
    async fn embedded_text() -> Content {
        Content::embedded_text("report://2025", "text/markdown", "# Sales")
    }

    #[mcp_tool]
    async fn embedded_bytes() -> Content {
        Content::embedded_bytes("report://2025", "application/pdf", b"%PDF")
    }

    #[mcp_tool]
    async fn annotated() -> Vec<Content> {
        let annotate = |content: Content| {
            content
                .audience([Role::User, Role::Assistant])
                .priority(0.5)
                .last_modified("2026-01-12T15:00:58Z")
        };
        [
            Content::text("a"),
            Content::png("a"),
            Content::audio("audio/wav", "a"),
            Content::link("a:b", "a"),
            Content::embedded_text("a:b", "text/plain", "a"),
        ]
        .map(annotate)
        .into()
    }

    #[mcp_tool]
    async fn out_of_range() -> Vec<Content> {
        [7.0, -1.0, f32::INFINITY, f32::NAN]
            .map(|priority| Content::text("").priority(priority))
            .into()
    }

    #[mcp_tool]
    async fn several() -> Result<Vec<Content>, ToolError> {
        Ok(vec![Content::text("a"), Content::png("b")])
    }

    #[mcp_tool]
    async fn none() -> Option<Content> {
        None
    }

    #[mcp_tool]
    async fn none_of_several() -> Vec<Content> {
        Vec::new()
    }

    #[mcp_tool]
    async fn block() -> ContentBlock {
        ContentBlock::text("block")
    }

    #[mcp_tool]
    async fn blocks() -> Vec<ContentBlock> {
        vec![Content::text("a").into(), ContentBlock::text("b")]
    }

    #[mcp_tool]
    async fn composed() -> CallToolResult {
        CallToolResult::error(vec![Content::text("no luck").into()])
    }

    #[mcp_tool]
    async fn plain_text() -> String {
        "text".to_owned()
    }

    #[mcp_tool]
    async fn number() -> u8 {
        7
    }

    #[mcp_tool]
    async fn nothing() {}

    #[mcp_tool]
    async fn typed() -> Json<Point> {
        Json(Point { x: 1, label: None })
    }

    /// Take what is returned elsewhere.
    #[mcp_tool(rename_all = "camelCase")]
    async fn typed_list(
        /// Where to begin.
        first_point: Point,
        #[garde(range(min = 1, max = 9))]
        #[arg(default = 2)]
        how_many: u8,
    ) -> Json<Vec<Point>> {
        let label = first_point.label;
        Json(
            (0..i32::from(how_many))
                .map(|step| Point {
                    x: first_point.x + step,
                    label: label.clone(),
                })
                .collect(),
        )
    }
}

const REVISIONS: [(Era, &str); 4] = [
    (Era::Modern, MODERN),
    (Era::Legacy, LEGACY),
    (Era::Legacy, "2025-06-18"),
    (Era::Legacy, "2025-03-26"),
];

async fn world() -> World {
    World::of("protocol::content::tools", |builder| builder).await
}

/// The tool, its arguments, and its result without the members that every result of an era has.
fn rows() -> Vec<(&'static str, Value, Value)> {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let content = |block: Value| json!({ "content": [block] });
    let annotations = json!({
        "audience": ["user", "assistant"],
        "priority": 0.5,
        "lastModified": "2026-01-12T15:00:58Z",
    });
    let resource = json!({ "uri": "a:b", "mimeType": "text/plain", "text": "a" });
    let annotated = [
        json!({ "type": "text", "text": "a" }),
        json!({ "type": "image", "data": "YQ==", "mimeType": "image/png" }),
        json!({ "type": "audio", "data": "YQ==", "mimeType": "audio/wav" }),
        json!({ "type": "resource_link", "uri": "a:b", "name": "a" }),
        json!({ "type": "resource", "resource": resource }),
    ]
    .map(|mut block| {
        block["annotations"] = annotations.clone();
        block
    });
    let mut priorities = [1, 0, 1].map(|priority| {
        json!({ "type": "text", "text": "", "annotations": { "priority": f64::from(priority) } })
    });
    let unknown = json!({ "type": "text", "text": "", "annotations": {} });
    let [most, least, infinite] = &mut priorities;
    let report = json!({ "uri": "report://2025", "mimeType": "text/markdown", "text": "# Sales" });
    let pdf = json!({ "uri": "report://2025", "mimeType": "application/pdf", "blob": "JVBERg==" });
    let typed =
        |value: Value| json!({ "content": [text(&value.to_string())], "structuredContent": value });
    let none = || json!({});
    vec![
        ("text", none(), content(text("tea"))),
        (
            "image",
            none(),
            content(json!({ "type": "image", "data": "//4=", "mimeType": "image/png" })),
        ),
        (
            "image_of_a_type",
            none(),
            content(json!({ "type": "image", "data": "aGk=", "mimeType": "image/webp" })),
        ),
        (
            "audio",
            none(),
            content(json!({ "type": "audio", "data": "aGk=", "mimeType": "audio/wav" })),
        ),
        (
            "link",
            none(),
            content(json!({ "type": "resource_link", "uri": "report://2025", "name": "report" })),
        ),
        (
            "link_with_details",
            none(),
            content(json!({
                "type": "resource_link",
                "uri": "report://2025",
                "name": "report",
                "title": "Report",
                "mimeType": "text/markdown",
                "size": 12,
            })),
        ),
        (
            "embedded_text",
            none(),
            content(json!({ "type": "resource", "resource": report })),
        ),
        (
            "embedded_bytes",
            none(),
            content(json!({ "type": "resource", "resource": pdf })),
        ),
        ("annotated", none(), json!({ "content": annotated })),
        (
            "out_of_range",
            none(),
            json!({ "content": [most, least, infinite, unknown] }),
        ),
        (
            "several",
            none(),
            json!({ "content": [
                text("a"),
                { "type": "image", "data": "Yg==", "mimeType": "image/png" },
            ] }),
        ),
        ("none", none(), json!({ "content": [] })),
        ("none_of_several", none(), json!({ "content": [] })),
        ("block", none(), content(text("block"))),
        (
            "blocks",
            none(),
            json!({ "content": [text("a"), text("b")] }),
        ),
        (
            "composed",
            none(),
            json!({ "content": [text("no luck")], "isError": true }),
        ),
        ("plain_text", none(), content(text("text"))),
        ("number", none(), content(text("7"))),
        ("nothing", none(), json!({ "content": [] })),
        ("typed", none(), typed(json!({ "x": 1 }))),
        (
            "typed_list",
            json!({ "firstPoint": { "x": 4, "label": "p" } }),
            typed(json!({ "result": [{ "x": 4, "label": "p" }, { "x": 5, "label": "p" }] })),
        ),
    ]
}

#[actix_web::test]
async fn the_return_value_of_a_tool_is_its_result_in_every_revision() {
    let world = world().await;
    for (era, version) in REVISIONS {
        for (tool, arguments, expected) in rows() {
            let ask = world.call(era, tool, arguments).bearer(&world.ada());
            let reply = ask.header("mcp-protocol-version", version).send().await;
            let mut result = expect_result(era, "CallToolResult", &reply);
            if era == Era::Modern {
                let members = result.as_object_mut().unwrap();
                members.remove("resultType");
                members.remove("_meta");
            }
            let structured = |value: &Value| value.get("structuredContent").cloned();
            if structured(&expected).is_some() {
                let text = result["content"][0]["text"].as_str().unwrap();
                assert_eq!(
                    serde_json::from_str(text).ok(),
                    structured(&result),
                    "{tool}"
                );
                assert_eq!(
                    structured(&result),
                    structured(&expected),
                    "{tool} {version}"
                );
            } else {
                assert_eq!(result, expected, "{tool} {version}");
            }
        }
    }
    let tools = rows().len();
    let reply = world.list(Era::Modern).bearer(&world.ada()).send().await;
    assert_eq!(reply.tools().len(), tools, "a row for each tool");
}

#[actix_web::test]
async fn the_list_shows_icons_to_revisions_that_know_them_and_meta_to_all() {
    let world = world().await;
    let mut lists = Vec::new();
    for (era, version) in REVISIONS {
        let ask = world.list(era).bearer(&world.ada());
        let reply = ask.header("mcp-protocol-version", version).send().await;
        lists.push(expect_result(era, "ListToolsResult", &reply)["tools"].clone());
    }
    let unversioned = world.list(Era::Legacy).bearer(&world.ada());
    let unversioned = unversioned.without("mcp-protocol-version").send().await;
    lists.push(unversioned.result()["tools"].clone());
    let [modern, legacy, older, oldest, unversioned] = lists.as_slice() else {
        panic!("{lists:?}");
    };
    let pretty = format!("{modern:#}\n");
    expect_file!["golden/content.json"].assert_eq(&pretty);
    assert_eq!(modern, legacy);
    let mut without_icons = modern.clone();
    for tool in without_icons.as_array_mut().unwrap() {
        tool.as_object_mut().unwrap().remove("icons");
    }
    assert_ne!(*modern, without_icons);
    for list in [older, oldest, unversioned] {
        assert_eq!(*list, without_icons);
    }
}
