//! The two eras of the protocol on one endpoint: methods, mirrored headers, `_meta` and error
//! codes. The responses are validated by the published schemas.

use mcp_auth::ServerBuilder;
use serde_json::{Value, json};

use crate::raw;
use crate::schema::{expect_error, expect_fits, expect_result, expect_valid};
use crate::support::{Ask, ERAS, Era, LEGACY, MODERN, World, message, modern_meta};

#[actix_web::test]
async fn a_legacy_client_can_open_ping_list_and_call_without_a_session() {
    let world = World::with(|builder| {
        builder
            .title("Files")
            .instructions("Ask before you delete.")
            .version("7.1")
    })
    .await;
    let ada = world.ada();
    let initialize = world
        .post(message("initialize", initialize_params(LEGACY)))
        .bearer(&ada);
    let reply = initialize.send().await;
    let result = expect_result(Era::Legacy, "InitializeResult", &reply);
    assert_eq!(result["protocolVersion"], LEGACY);
    assert_eq!(
        result["serverInfo"],
        json!({ "name": "tests", "title": "Files", "version": "7.1" })
    );
    assert_eq!(result["instructions"], "Ask before you delete.");
    assert_eq!(result["capabilities"], json!({ "tools": {} }));
    assert_eq!(reply.header("mcp-session-id"), None);

    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let reply = world
        .post(initialized.to_string())
        .bearer(&ada)
        .send()
        .await;
    assert!(reply.expect_status(202).body.is_empty());

    let ping = json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" });
    let reply = world.post(ping.to_string()).bearer(&ada).send().await;
    assert_eq!(expect_result(Era::Legacy, "EmptyResult", &reply), json!({}));
    assert_eq!(reply.json()["id"], "p");

    let reply = world.list(Era::Legacy).bearer(&ada).send().await;
    expect_result(Era::Legacy, "ListToolsResult", &reply);
    let reply = world
        .call(Era::Legacy, "who_am_i", json!({}))
        .bearer(&ada)
        .send()
        .await;
    let result = expect_result(Era::Legacy, "CallToolResult", &reply);
    assert_eq!(
        result,
        json!({ "content": [{ "type": "text", "text": "user_ada" }] })
    );
}

#[actix_web::test]
async fn initialize_answers_the_offered_version_if_it_is_served_and_else_the_newest() {
    let world = World::new().await;
    for (offered, answered) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        let ask = world
            .post(message("initialize", initialize_params(offered)))
            .bearer(&world.ada());
        // Some clients already send these headers with `initialize`. They must have no effect.
        for ask in [
            ask.clone(),
            ask.clone().header("mcp-protocol-version", LEGACY),
            ask.header("mcp-method", "initialize"),
        ] {
            let result = expect_result(Era::Legacy, "InitializeResult", &ask.send().await);
            assert_eq!(result["protocolVersion"], answered, "{offered}");
        }
    }
}

#[actix_web::test]
async fn the_version_in_the_header_of_initialize_does_not_override_the_body() {
    let world = World::new().await;
    for version in ["2026-07-28", "2024-11-05", "2999-01-01", "v9", "", "\u{e9}"] {
        for (offered, answered) in [
            ("2025-06-18", "2025-06-18"),
            ("2025-11-25", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
        ] {
            let ask = world
                .post(message("initialize", initialize_params(offered)))
                .header("mcp-protocol-version", version)
                .bearer(&world.ada());
            let result = expect_result(Era::Legacy, "InitializeResult", &ask.send().await);
            assert_eq!(result["protocolVersion"], answered, "{version} {offered}");
        }
    }
    // A duplicate header is malformed in any other request.
    let host = world.host_line();
    let bearer = format!("Authorization: Bearer {}", world.ada());
    let head = [
        &*host,
        &*bearer,
        "Content-Type: application/json",
        "MCP-Protocol-Version: 2025-06-18",
        "MCP-Protocol-Version: 2026-07-28",
    ];
    let body = message("initialize", initialize_params("2025-06-18"));
    let mut connection = world.raw().await;
    connection
        .write(&raw::post("/mcp", &head, body.as_bytes()))
        .await;
    assert_eq!(
        connection.reply().await.result()["protocolVersion"],
        "2025-06-18"
    );
}

#[actix_web::test]
async fn initialize_without_a_version_is_invalid_params() {
    let world = World::new().await;
    for params in [
        json!({}),
        json!({ "protocolVersion": 7 }),
        json!({ "protocolVersion": null }),
    ] {
        let ask = world
            .post(message("initialize", params))
            .bearer(&world.ada());
        expect_error(Era::Legacy, 200, -32602, &ask.send().await);
    }
}

#[actix_web::test]
async fn a_modern_client_can_discover_list_and_call_without_a_handshake() {
    let world = World::with(|builder| builder.instructions("Ask before you delete.")).await;
    let ada = world.ada();
    let reply = world
        .ask(Era::Modern, "server/discover", json!({}))
        .bearer(&ada)
        .send()
        .await;
    let result = expect_result(Era::Modern, "DiscoverResult", &reply);
    assert_eq!(result["supportedVersions"], json!([MODERN]));
    assert_eq!(
        result["capabilities"],
        json!({ "tools": { "listChanged": true } })
    );
    assert_eq!(result["instructions"], "Ask before you delete.");
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(3_600_000), &json!("private"))
    );
    let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(
        *server,
        json!({ "name": "tests", "version": env!("CARGO_PKG_VERSION") })
    );

    let reply = world.list(Era::Modern).bearer(&ada).send().await;
    let result = expect_result(Era::Modern, "ListToolsResult", &reply);
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(30_000), &json!("private"))
    );

    let reply = world
        .call(Era::Modern, "who_am_i", json!({}))
        .bearer(&ada)
        .send()
        .await;
    expect_result(Era::Modern, "CallToolResult", &reply);
    reply.expect_text("user_ada");
}

#[actix_web::test]
async fn the_list_is_ordered_by_name_and_describes_each_tool() {
    let world = World::new().await;
    for era in ERAS {
        let reply = world.list(era).bearer(&world.ada()).send().await;
        let names = reply.tools();
        assert!(names.is_sorted(), "{names:?}");
        let tools = reply.result()["tools"].take();
        let delete = tools
            .as_array()
            .unwrap()
            .iter()
            .find(|tool| tool["name"] == "delete_document");
        let expected = json!({
            "name": "delete_document",
            "description": "Delete a document of the caller's organization.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "document_id": { "type": "string", "description": "Id of the document." },
                },
                "required": ["document_id"],
                "additionalProperties": false,
            },
            "annotations": { "destructiveHint": true },
            "securitySchemes": [{ "type": "oauth2", "scopes": ["user:org:read"] }],
            "_meta": {
                "securitySchemes": [{ "type": "oauth2", "scopes": ["user:org:read"] }],
            },
        });
        assert_eq!(*delete.unwrap(), expected);
        let who = tools
            .as_array()
            .unwrap()
            .iter()
            .find(|tool| tool["name"] == "who_am_i")
            .unwrap();
        assert_eq!(
            who["inputSchema"],
            json!({ "type": "object", "properties": {}, "additionalProperties": false })
        );
        assert_eq!(who["annotations"], json!({ "readOnlyHint": true }));
    }
}

#[actix_web::test]
async fn denials_and_errors_of_tools_fit_the_schemas() {
    let world = World::with(ServerBuilder::scope_denials_as_results).await;
    for era in ERAS {
        for (token, tool) in [
            (world.grace(), "delete_document"),
            (world.linus(), "which_org"),
            (world.grace(), "rename_org"),
            (world.grace(), "upload"),
            (world.grace(), "greet"),
        ] {
            let arguments = json!({ "document_id": "d1" });
            let reply = world.call(era, tool, arguments).bearer(&token).send().await;
            let result = expect_result(era, "CallToolResult", &reply);
            assert_eq!(result["isError"], true, "{tool}");
        }
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn an_unknown_method_is_404_in_the_modern_era_and_200_in_the_legacy_one() {
    let world = World::new().await;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "resources/list",
        "unknown/method",
        "TOOLS/LIST",
        "",
    ] {
        let ask = world
            .ask(Era::Modern, method, json!({}))
            .bearer(&world.ada());
        let body = expect_error(Era::Modern, 404, -32601, &ask.send().await);
        assert_eq!(body["id"], 1, "{method}");
    }
    for method in [
        "server/discover",
        "subscriptions/listen",
        "prompts/list",
        "unknown/method",
        "tools/List",
    ] {
        let ask = world
            .ask(Era::Legacy, method, json!({}))
            .bearer(&world.ada());
        expect_error(Era::Legacy, 200, -32601, &ask.send().await);
    }
}

#[actix_web::test]
async fn a_modern_request_must_state_its_version_and_capabilities() {
    let world = World::new().await;
    let without = |member: &str| {
        let mut meta = modern_meta();
        meta.as_object_mut().unwrap().remove(member).unwrap();
        json!({ "_meta": meta })
    };
    let with = |member: &str, value: Value| {
        let mut meta = modern_meta();
        meta[member] = value;
        json!({ "_meta": meta })
    };
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    for params in [
        json!({}),
        json!({ "_meta": {} }),
        without(version),
        without(capabilities),
        with(version, json!(7)),
        with(version, json!(null)),
        with(capabilities, json!([])),
        with(capabilities, json!(null)),
    ] {
        let ask = discover(&world, params.clone());
        let body = expect_error(Era::Modern, 400, -32602, &ask.send().await);
        assert_eq!(body["id"], 1, "{params}");
    }
    for params in [
        json!({ "_meta": 7 }),
        json!({ "_meta": null }),
        json!([]),
        json!("x"),
    ] {
        let reply = discover(&world, params.clone()).send().await;
        assert_eq!(reply.json()["error"]["code"], -32602, "{params}");
        assert_eq!(reply.status, 400, "{params}");
    }
    let reply = discover(&world, without("io.modelcontextprotocol/clientInfo"))
        .send()
        .await;
    expect_result(Era::Modern, "DiscoverResult", &reply);
}

#[actix_web::test]
async fn an_unsupported_version_is_answered_with_the_supported_versions() {
    let world = World::new().await;
    for unserved in ["v999.0.0", "2025-11-25x", "2026-07-29"] {
        let mut meta = modern_meta();
        meta["io.modelcontextprotocol/protocolVersion"] = json!(unserved);
        let ask = discover(&world, json!({ "_meta": meta }));
        let ask = ask.header("mcp-protocol-version", unserved);
        let body = expect_error(Era::Modern, 400, -32022, &ask.send().await);
        assert_eq!(
            body["error"]["data"],
            json!({ "supported": [MODERN], "requested": unserved })
        );
    }
}

#[actix_web::test]
async fn a_version_header_that_differs_from_the_body_is_a_mismatch() {
    let world = World::new().await;
    let params = || json!({ "_meta": modern_meta() });
    for header in [
        "2025-11-25",
        "v999.0.0",
        "2026-07-28x",
        "2026-07-28, 2026-07-28",
        "",
    ] {
        let ask = discover(&world, params()).header("mcp-protocol-version", header);
        let body = expect_error(Era::Modern, 400, -32020, &ask.send().await);
        assert_eq!(body["id"], 1, "{header}");
    }
    let ask = discover(&world, params()).without("mcp-protocol-version");
    expect_error(Era::Modern, 400, -32020, &ask.send().await);
    let mut meta = modern_meta();
    meta["io.modelcontextprotocol/protocolVersion"] = json!("v999.0.0");
    let ask = discover(&world, json!({ "_meta": meta }));
    expect_error(Era::Modern, 400, -32020, &ask.send().await);
}

#[actix_web::test]
async fn a_legacy_version_that_is_not_served_is_400() {
    let world = World::new().await;
    for version in ["2024-11-05", "1999-01-01", "x"] {
        let ask = world
            .list(Era::Legacy)
            .header("mcp-protocol-version", version);
        ask.bearer(&world.ada()).send().await.expect_status(400);
    }
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let ask = world
            .list(Era::Legacy)
            .header("mcp-protocol-version", version);
        expect_result(
            Era::Legacy,
            "ListToolsResult",
            &ask.bearer(&world.ada()).send().await,
        );
    }
    let ask = world
        .list(Era::Legacy)
        .without("mcp-protocol-version")
        .bearer(&world.ada());
    expect_result(Era::Legacy, "ListToolsResult", &ask.send().await);
}

#[actix_web::test]
async fn a_method_header_must_be_the_method_of_the_body() {
    let world = World::new().await;
    let ask = world.list(Era::Modern).bearer(&world.ada());
    for header in ["prompts/list", "TOOLS/LIST", "tools/list2", ""] {
        let ask = ask.clone().header("mcp-method", header);
        let body = expect_error(Era::Modern, 400, -32020, &ask.send().await);
        assert_eq!(body["id"], 1, "{header}");
    }
    expect_error(
        Era::Modern,
        400,
        -32020,
        &ask.clone().without("mcp-method").send().await,
    );
    ask.header("MCP-METHOD", " tools/list ")
        .send()
        .await
        .expect_status(200);
    // A legacy request may omit the header, but the header must not differ from the body.
    let ask = world.list(Era::Legacy).bearer(&world.ada());
    ask.clone()
        .header("mcp-method", "tools/list")
        .send()
        .await
        .expect_status(200);
    expect_error(
        Era::Legacy,
        400,
        -32020,
        &ask.header("mcp-method", "tools/call").send().await,
    );
}

#[actix_web::test]
async fn a_name_header_must_be_the_name_in_the_body() {
    let world = World::new().await;
    let ask = world
        .call(Era::Modern, "who_am_i", json!({}))
        .bearer(&world.ada());
    for header in [
        "wrong_tool_name",
        "WHO_AM_I",
        "",
        "=?base64?d2hvX2FtX2?=",
        "=?base64?d2hv!!!fYW1faQ==?=",
        "=?base64?d2hvX2FtX2k=",
    ] {
        let ask = ask.clone().header("mcp-name", header);
        let body = expect_error(Era::Modern, 400, -32020, &ask.send().await);
        assert_eq!(body["id"], 1, "{header}");
    }
    expect_error(
        Era::Modern,
        400,
        -32020,
        &ask.clone().without("mcp-name").send().await,
    );
    world.expect_runs(0);
    for header in ["who_am_i", " who_am_i\t", "=?base64?d2hvX2FtX2k=?="] {
        ask.clone()
            .header("mcp-name", header)
            .send()
            .await
            .expect_text("user_ada");
    }
    let ask = world
        .call(Era::Legacy, "who_am_i", json!({}))
        .bearer(&world.ada());
    expect_error(
        Era::Legacy,
        400,
        -32020,
        &ask.clone().header("mcp-name", "greet").send().await,
    );
    ask.header("mcp-name", "who_am_i")
        .send()
        .await
        .expect_text("user_ada");
    world.expect_runs(4);
}

#[actix_web::test]
async fn a_cursor_that_was_never_given_is_invalid_params() {
    let world = World::new().await;
    for era in ERAS {
        let ask = world
            .ask(era, "tools/list", json!({ "cursor": "abc" }))
            .bearer(&world.ada());
        let reply = ask.send().await;
        assert_eq!(reply.json()["error"]["code"], -32602);
    }
}

#[actix_web::test]
async fn an_id_is_echoed_as_it_was_sent() {
    let world = World::new().await;
    for id in ["0", "-7", "\"\"", "\"a\\u0062\\n\"", "9007199254740993"] {
        for era in ERAS {
            let ask = world.call(era, "who_am_i", json!({})).bearer(&world.ada());
            let body = String::from_utf8(ask.body.clone()).unwrap();
            let mut ask = ask;
            ask.body = body
                .replacen(r#""id":1"#, &format!(r#""id":{id}"#), 1)
                .into_bytes();
            let reply = ask.send().await;
            let sent: Value = serde_json::from_str(id).unwrap();
            assert_eq!(reply.json()["id"], sent);
        }
    }
}

#[actix_web::test]
async fn notifications_are_accepted_without_an_answer() {
    let world = World::new().await;
    for method in [
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/x",
    ] {
        for meta in [json!({}), json!({ "_meta": modern_meta() })] {
            let body = json!({ "jsonrpc": "2.0", "method": method, "params": meta });
            let ask = world.post(body.to_string()).bearer(&world.ada());
            let ask = ask
                .header("mcp-protocol-version", MODERN)
                .header("mcp-method", method);
            let reply = ask.send().await;
            assert!(reply.expect_status(202).body.is_empty());
        }
    }
    // A call without an id is a notification and calls no tool.
    let body =
        json!({ "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "who_am_i" } });
    world
        .post(body.to_string())
        .bearer(&world.ada())
        .send()
        .await
        .expect_status(202);
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_modern_client_may_send_the_headers_of_sessions() {
    let world = World::new().await;
    let ask = world
        .call(Era::Modern, "who_am_i", json!({}))
        .bearer(&world.ada());
    let ask = ask
        .header("mcp-session-id", "abc")
        .header("last-event-id", "7");
    ask.send().await.expect_text("user_ada");
}

#[actix_web::test]
async fn an_anonymous_list_is_public_only_if_everybody_gets_the_same() {
    let mixed = World::with(ServerBuilder::allow_anonymous_list).await;
    let reply = mixed.list(Era::Modern).send().await;
    let result = expect_result(Era::Modern, "ListToolsResult", &reply);
    assert_eq!(result["cacheScope"], "private");
    assert_eq!(reply.tools(), ["greet"]);
    let reply = mixed
        .ask(Era::Modern, "server/discover", json!({}))
        .send()
        .await;
    let result = expect_result(Era::Modern, "DiscoverResult", &reply);
    assert_eq!(result["cacheScope"], "public");
    let reply = mixed
        .post(message("initialize", initialize_params(LEGACY)))
        .send()
        .await;
    expect_result(Era::Legacy, "InitializeResult", &reply);

    let open = World::of("protocol::eras::open", ServerBuilder::allow_anonymous_list).await;
    let anonymous = open.list(Era::Modern).send().await;
    let signed_in = open.list(Era::Modern).bearer(&open.ada()).send().await;
    assert_eq!(
        expect_result(Era::Modern, "ListToolsResult", &anonymous)["cacheScope"],
        "public"
    );
    assert_eq!(anonymous.body, signed_in.body);
}

#[actix_web::test]
async fn the_schemas_of_tools_accept_what_the_tools_accept() {
    let world = World::new().await;
    let reply = world.list(Era::Modern).bearer(&world.ada()).send().await;
    for tool in reply.result()["tools"].as_array().unwrap() {
        expect_valid(Era::Modern, "Tool", tool);
        expect_valid(Era::Legacy, "Tool", tool);
        if tool["name"] == "delete_document" {
            expect_fits(&tool["inputSchema"], &json!({ "document_id": "d1" }));
        }
    }
}

mod open {
    use mcp_auth::mcp_tool;

    /// Tell the time.
    #[mcp_tool(public)]
    async fn time() -> &'static str {
        "noon"
    }
}

fn initialize_params(version: &str) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": { "name": "tests", "version": "1" },
    })
}

/// A modern `server/discover` with exactly these parameters.
fn discover(world: &World, params: Value) -> Ask {
    world
        .post(message("server/discover", params))
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "server/discover")
        .bearer(&world.ada())
}
