//! Headers that repeat arguments: `x-mcp-header` in the list, and `Mcp-Param-*` in a call (MCP 2026-07-28,
//! basic/transports/streamable-http, custom headers from tool parameters).

use mcp_auth::testing::TestServer;
use serde_json::{Value, json};

use crate::process::without_code;
use crate::schema::{expect_error, expect_result};
use crate::support::{ERAS, Era, PERMISSION_DENIED, Runs, World, builder, emulator};

mod tools {
    use mcp_auth::{State, mcp_tool};

    use crate::support::Runs;

    /// Run a query.
    #[mcp_tool(rename_all = "camelCase")]
    async fn query(
        #[arg(header = "Region")] home_region: Option<String>,
        #[arg(header = "X-Shard")] shard: Option<u64>,
        #[arg(header = "dry", rename = "dryRun")] dry: Option<bool>,
        limit: Option<u32>,
        runs: &State<Runs>,
    ) -> String {
        runs.count();
        format!("{home_region:?} {shard:?} {dry:?} {limit:?}")
    }

    /// Search.
    #[mcp_tool(public)]
    async fn search(#[arg(header = "Text")] text: String, runs: &State<Runs>) -> String {
        runs.count();
        text
    }

    /// Delete a region.
    #[mcp_tool(permission = "org:documents:delete")]
    async fn delete_region(#[arg(header = "Region")] region: String, runs: &State<Runs>) -> String {
        runs.count();
        region
    }

    /// A region.
    #[mcp_auth::data]
    enum Region {
        #[serde(rename = "eu")]
        Europe,
        #[serde(rename = "us")]
        America,
    }

    /// Move to a region.
    #[mcp_tool]
    async fn relocate(
        #[arg(header = "To")] to: Region,
        #[arg(header = "Times", default = 1)] times: u8,
        runs: &State<Runs>,
    ) -> String {
        runs.count();
        let name = match to {
            Region::Europe => "eu",
            Region::America => "us",
        };
        name.repeat(times.into())
    }
}

mod wrong {
    use mcp_auth::mcp_tool;

    #[mcp_auth::data]
    struct Place {
        region: String,
    }

    /// Query.
    #[mcp_tool]
    async fn query(#[arg(header = "Place")] place: Place) -> String {
        place.region
    }
}

async fn world() -> World {
    World::of("protocol::argument_headers::tools", |builder| builder).await
}

#[actix_web::test]
async fn a_header_must_repeat_its_argument_in_the_modern_era_only() {
    const REGION: &str = "Mcp-Param-Region";
    const SHARD: &str = "mcp-param-x-shard";
    const DRY: &str = "MCP-PARAM-DRY";
    let world = world().await;
    let ada = world.ada();
    let mut runs = 0;
    for (arguments, headers, agrees) in [
        (json!({}), &[][..], true),
        (json!({ "homeRegion": "eu" }), &[(REGION, "eu")], true),
        (json!({ "homeRegion": "eu" }), &[(REGION, "\t eu ")], true),
        (
            json!({ "homeRegion": "eu" }),
            &[(REGION, "=?base64?ZXU=?=")],
            true,
        ),
        (
            json!({ "homeRegion": "Zürich" }),
            &[(REGION, "=?base64?WsO8cmljaA==?=")],
            true,
        ),
        (
            json!({ "homeRegion": " eu" }),
            &[(REGION, "=?base64?IGV1?=")],
            true,
        ),
        (json!({ "homeRegion": "" }), &[(REGION, "")], true),
        (
            json!({ "homeRegion": "" }),
            &[(REGION, "=?base64??=")],
            true,
        ),
        (json!({ "homeRegion": "ZXU=" }), &[(REGION, "ZXU=")], true),
        (
            json!({ "homeRegion": "=?base64?ZXU=" }),
            &[(REGION, "=?base64?ZXU=")],
            true,
        ),
        (json!({ "homeRegion": null }), &[], true),
        (json!({ "shard": 42 }), &[(SHARD, "42")], true),
        (json!({ "shard": 42 }), &[(SHARD, "42.0")], true),
        (json!({ "shard": 42.0 }), &[(SHARD, "42")], true),
        (json!({ "dryRun": true }), &[(DRY, "true")], true),
        (json!({ "dryRun": false }), &[(DRY, "false")], true),
        (
            json!({ "homeRegion": "eu", "shard": 0, "dryRun": true, "limit": 3 }),
            &[
                (DRY, "true"),
                (SHARD, "0"),
                (REGION, "eu"),
                ("Mcp-Param-Limit", "4"),
            ],
            true,
        ),
        // Missing.
        (json!({ "homeRegion": "eu" }), &[], false),
        (json!({ "homeRegion": "" }), &[], false),
        (json!({ "shard": 0 }), &[(REGION, "0")], false),
        (
            json!({ "homeRegion": "eu", "shard": 1 }),
            &[(REGION, "eu")],
            false,
        ),
        // Without an argument.
        (json!({}), &[(REGION, "eu")], false),
        (json!({}), &[(REGION, "")], false),
        (json!({ "homeRegion": null }), &[(REGION, "null")], false),
        (json!({ "limit": 1 }), &[(DRY, "false")], false),
        // Different.
        (json!({ "homeRegion": "eu" }), &[(REGION, "us")], false),
        (json!({ "homeRegion": "eu" }), &[(REGION, "EU")], false),
        (json!({ "homeRegion": "eu" }), &[(REGION, "eu, eu")], false),
        (json!({ "homeRegion": " eu" }), &[(REGION, " eu")], false),
        (
            json!({ "homeRegion": "=?base64?ZXU=?=" }),
            &[(REGION, "=?base64?ZXU=?=")],
            false,
        ),
        (json!({ "homeRegion": ["eu"] }), &[(REGION, "eu")], false),
        (json!({ "shard": 42 }), &[(SHARD, "43")], false),
        (json!({ "shard": 42 }), &[(SHARD, "042")], false),
        (json!({ "shard": 42 }), &[(SHARD, "42.5")], false),
        (json!({ "shard": 42 }), &[(SHARD, "")], false),
        (
            json!({ "shard": 9_007_199_254_740_992_u64 }),
            &[(SHARD, "9007199254740992")],
            false,
        ),
        (json!({ "dryRun": true }), &[(DRY, "True")], false),
        (json!({ "dryRun": true }), &[(DRY, "1")], false),
        // Malformed.
        (
            json!({ "homeRegion": "eu" }),
            &[(REGION, "=?base64?ZXU?=")],
            false,
        ),
        (
            json!({ "homeRegion": "eu" }),
            &[(REGION, "=?base64?Z!U=?=")],
            false,
        ),
        (
            json!({ "homeRegion": "eu" }),
            &[(REGION, "=?BASE64?ZXU=?=")],
            false,
        ),
        (
            json!({ "homeRegion": "\u{fffd}" }),
            &[(REGION, "=?base64?/w==?=")],
            false,
        ),
        (
            json!({ "homeRegion": "Zürich" }),
            &[(REGION, "Zürich")],
            false,
        ),
        // Twice.
        (
            json!({ "homeRegion": "eu" }),
            &[(REGION, "eu"), (REGION, "eu")],
            false,
        ),
        (
            json!({ "homeRegion": "eu" }),
            &[(REGION, "eu"), ("mcp-param-region", "us")],
            false,
        ),
        (json!({}), &[(REGION, ""), (REGION, "")], false),
    ] {
        for era in ERAS {
            let mut ask = world.call(era, "query", arguments.clone()).bearer(&ada);
            for (name, value) in headers {
                ask = ask.and_header(name, value);
            }
            let reply = ask.send().await;
            if era == Era::Modern && !agrees {
                let body = expect_error(era, 400, -32020, &reply);
                let message = body["error"]["message"].as_str().unwrap();
                assert!(
                    message.starts_with("Header mismatch: the header `Mcp-Param-"),
                    "{body}"
                );
                assert_eq!(body["id"], 1);
            } else {
                let result = expect_result(era, "CallToolResult", &reply);
                // A list is no text, in both eras.
                runs += usize::from(result["isError"] != true);
            }
            world.expect_runs(runs);
        }
    }
    let ask = world.call(Era::Modern, "query", json!({ "dryRun": true }));
    let body = ask.bearer(&ada).send().await.json();
    assert_eq!(
        body["error"]["message"],
        "Header mismatch: the header `Mcp-Param-dry` must have the same value as the argument `dryRun`"
    );
}

#[actix_web::test]
async fn an_argument_that_is_given_twice_hides_no_value_behind_its_header() {
    let world = world().await;
    let ada = world.ada();
    for first in ["eu", "us"] {
        let mut ask = world.call(Era::Modern, "delete_region", json!({ "region": first }));
        let body = String::from_utf8(ask.body).unwrap();
        let second = if first == "eu" { "us" } else { "eu" };
        let twice = format!(r#""region":"{first}","r\u0065gion":"{second}""#);
        ask.body = body
            .replace(&format!(r#""region":"{first}""#), &twice)
            .into();
        let reply = ask
            .bearer(&ada)
            .header("mcp-param-region", "eu")
            .send()
            .await;
        expect_error(Era::Modern, 400, -32020, &reply);
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn only_an_allowed_caller_learns_that_a_header_is_wrong() {
    let world = world().await;
    let region = json!({ "region": "eu" });
    let call = || world.call(Era::Modern, "delete_region", region.clone());
    let [missing, wrong, right] = [call(), call(), call()];
    let wrong = wrong.header("mcp-param-region", "us");
    let right = right.header("mcp-param-region", "eu");
    let grace = world.grace();
    for ask in [&missing, &wrong, &right] {
        let denied = ask.clone().bearer(&grace).send().await;
        let details = json!({ "kind": "permission", "required": ["org:documents:delete"] });
        denied.expect_denied(PERMISSION_DENIED, &details);
        ask.clone().send().await.expect_status(401);
        let bad = ask.clone().bearer("no.good.token").send().await;
        bad.expect_status(401);
    }
    world.expect_runs(0);
    let ada = world.ada();
    for ask in [missing, wrong] {
        let reply = ask.bearer(&ada).send().await;
        expect_error(Era::Modern, 400, -32020, &reply);
    }
    world.expect_runs(0);
    right.bearer(&ada).send().await.expect_text("eu");
}

#[actix_web::test]
async fn a_caller_without_a_token_repeats_the_arguments_of_a_public_tool() {
    let world = world().await;
    let ask = world.call(Era::Modern, "search", json!({ "text": "tax" }));
    expect_error(Era::Modern, 400, -32020, &ask.clone().send().await);
    let wrong = ask.clone().header("mcp-param-text", "taxes").send().await;
    expect_error(Era::Modern, 400, -32020, &wrong);
    world.expect_runs(0);
    let right = ask.header("mcp-param-text", "tax");
    right.send().await.expect_text("tax");
    let legacy = world.call(Era::Legacy, "search", json!({ "text": "tax" }));
    legacy.send().await.expect_text("tax");
}

#[actix_web::test]
async fn the_headers_are_compared_before_the_arguments_are_read() {
    let world = world().await;
    let ada = world.ada();
    let call = |arguments: Value| world.call(Era::Modern, "relocate", arguments).bearer(&ada);
    let wrong = call(json!({ "to": "mars" })).header("mcp-param-to", "eu");
    expect_error(Era::Modern, 400, -32020, &wrong.send().await);
    let mars = call(json!({ "to": "mars" })).header("mcp-param-to", "mars");
    let text = mars.send().await.text();
    assert!(text.starts_with("Invalid argument `to`"), "{text}");
    let fraction = json!({ "to": "eu", "times": 1.5 });
    let fraction = call(fraction)
        .header("mcp-param-to", "eu")
        .header("mcp-param-times", "1.5");
    let text = fraction.send().await.text();
    assert!(text.starts_with("Invalid argument `times`"), "{text}");
    world.expect_runs(0);
    let eu = call(json!({ "to": "eu" })).header("mcp-param-to", "eu");
    eu.send().await.expect_text("eu");
}

#[actix_web::test]
async fn every_list_names_the_headers_in_the_schemas() {
    let world = world().await;
    for era in ERAS {
        let list = world.list(era).bearer(&world.ada()).send().await;
        let tools = expect_result(era, "ListToolsResult", &list)["tools"].take();
        let schema = |name: &str| {
            let mut tools = tools.as_array().unwrap().iter();
            let tool = tools.find(|tool| tool["name"] == name).unwrap();
            tool["inputSchema"]["properties"].clone()
        };
        let query = schema("query");
        assert_eq!(
            query["homeRegion"],
            json!({ "type": "string", "x-mcp-header": "Region" })
        );
        assert_eq!(query["shard"]["x-mcp-header"], "X-Shard");
        assert_eq!(query["dryRun"]["x-mcp-header"], "dry");
        assert_eq!(query["limit"].get("x-mcp-header"), None);
        let to = schema("relocate")["to"].take();
        assert_eq!(to["enum"], json!(["eu", "us"]));
        assert_eq!(to["x-mcp-header"], "To");
    }
}

#[actix_web::test]
async fn a_header_of_a_struct_does_not_start() {
    let server = builder(&emulator().await).tools_of("protocol::argument_headers::wrong");
    let error = server.build().await.unwrap_err().to_string();
    let told = "tool `query` has the header `Mcp-Param-Place` for the argument `place`, whose schema does not \
                describe a string, an integer or a boolean; remove `header`, or change the type of the argument";
    assert!(without_code(&error).ends_with(told), "{error}");
}

#[actix_web::test]
async fn a_test_server_sends_the_headers_itself() {
    let builder = mcp_auth::server!()
        .tools_of("protocol::argument_headers::tools")
        .state(Runs::default());
    let server = TestServer::of(builder);
    let ada = server.user("ada");
    for text in [
        "us-west1",
        "",
        " padded ",
        "Zürich",
        "a\tb",
        "=?base64?SGVsbG8=?=",
    ] {
        let arguments = json!({ "homeRegion": text, "shard": 7, "dryRun": false });
        let expected = format!("Some({text:?}) Some(7) Some(false) None");
        for ada in [ada.clone(), ada.clone().legacy()] {
            let answer = ada.call("query", arguments.clone()).await;
            assert_eq!(answer.expect_ok().text(), expected);
        }
    }
    let answer = ada.call("query", json!({ "homeRegion": null })).await;
    assert_eq!(answer.expect_ok().text(), "None None None None");
    let answer = server
        .anonymous()
        .call("search", json!({ "text": "tax" }))
        .await;
    assert_eq!(answer.expect_ok().text(), "tax");
}
