//! Malformed bodies and heads. Each has a defined status, and the server continues to serve.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::raw;
use crate::support::{ERAS, Era, LEGACY, World, message};

mod tools {
    use mcp_auth::{Caller, State, mcp_tool};

    use crate::support::Runs;

    /// Tell who is calling.
    #[mcp_tool]
    async fn who_am_i(caller: &Caller, runs: &State<Runs>) -> String {
        runs.count();
        caller.subject().to_owned()
    }

    /// Take any JSON.
    #[mcp_tool]
    async fn swallow(value: serde_json::Value, runs: &State<Runs>) -> String {
        runs.count();
        value.to_string()
    }

    /// Take a number, and whatever else there is.
    #[mcp_tool(allow_unknown)]
    async fn count(n: i64, runs: &State<Runs>) -> i64 {
        runs.count();
        n
    }
}

const TOOLS: &str = "protocol::envelope::tools";

/// Sends a body with a token. Expects an error, and that the server continues to serve.
async fn refused(world: &World, body: impl Into<Vec<u8>>, status: u16, code: i64) {
    let body = body.into();
    let shown = String::from_utf8_lossy(&body)
        .chars()
        .take(80)
        .collect::<String>();
    let reply = world.post(body).bearer(&world.ada()).send().await;
    assert_eq!(
        (reply.status, reply.json()["error"]["code"].as_i64()),
        (status, Some(code)),
        "{shown}"
    );
    reply.expect_rpc_error(status, code);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[actix_web::test]
async fn a_body_that_is_not_json_is_a_parse_error() {
    let world = World::of(TOOLS, |builder| builder).await;
    for body in [
        "",
        " ",
        "{",
        "}",
        "{}{}",
        "{'jsonrpc':'2.0'}",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"pi"#,
        "{\"a\":\"\u{1}\"}",
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        "NaN",
        "jsonrpc=2.0&method=ping",
    ] {
        refused(&world, body, 400, -32700).await;
    }
    world.still_serves().await;
}

#[actix_web::test]
async fn invalid_utf_8_is_a_parse_error_at_every_place() {
    let world = World::of(TOOLS, |builder| builder).await;
    let good = message(
        "tools/call",
        json!({ "name": "swallow", "arguments": { "value": "@" } }),
    );
    for bad in [
        &b"\xff"[..],
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf8\x88\x80\x80\x80",
    ] {
        let mut body = good.clone().into_bytes();
        let at = body.iter().position(|byte| *byte == b'@').unwrap();
        body.splice(at..=at, bad.iter().copied());
        refused(&world, body, 400, -32700).await;
    }
    world.expect_runs(0);
    world.still_serves().await;
}

#[actix_web::test]
async fn json_that_is_not_a_request_is_invalid() {
    let world = World::of(TOOLS, |builder| builder).await;
    for body in [
        "1",
        "null",
        "\"ping\"",
        "{}",
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":["ping"]}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
    ] {
        refused(&world, body, 400, -32600).await;
    }
    world.still_serves().await;
}

#[actix_web::test]
async fn parameters_of_a_wrong_type_are_invalid_params() {
    let world = World::of(TOOLS, |builder| builder).await;
    for params in [
        r#"{"name":7}"#,
        r#"{"name":null}"#,
        r#"{"name":["who_am_i"]}"#,
        "{}",
        r#"{"name":"who_am_i","arguments":[]}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        refused(&world, body, 200, -32602).await;
    }
    world.expect_runs(0);
    world.still_serves().await;
}

#[actix_web::test]
async fn huge_numbers_are_skipped_or_refused() {
    let world = World::of(TOOLS, |builder| builder).await;
    let call = |n: &str, beside: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","x":1e999999,"params":{{"y":{beside},"name":"count","arguments":{{"n":{n},"z":{beside}}}}}}}"#
        );
        world.post(body).bearer(&world.ada()).send()
    };
    let huge = "9".repeat(20_000);
    for n in [&*huge, "1e400", "9223372036854775808", "-1e999999999999"] {
        let reply = call(n, "1").await;
        assert_eq!(reply.result()["isError"], true, "{n}");
        assert!(
            reply.text().starts_with("Invalid argument"),
            "{}",
            reply.text()
        );
    }
    world.expect_runs(0);
    call("7", &huge).await.expect_text("7");
    let body = format!(r#"{{"jsonrpc":"2.0","id":{huge},"method":"ping"}}"#);
    refused(&world, body, 400, -32600).await;
    world.still_serves().await;
}

#[actix_web::test]
async fn deep_nesting_is_skipped_or_refused() {
    let world = World::of(TOOLS, |builder| builder).await;
    let deep = format!("{}1{}", "[".repeat(500_000), "]".repeat(500_000));
    let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    for deep in [&deep, &deep_objects] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","x":{deep},"id":1,"method":"tools/call","params":{{"name":"who_am_i","y":{deep}}}}}"#
        );
        world
            .post(body)
            .bearer(&world.ada())
            .send()
            .await
            .expect_text("user_ada");
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"swallow","arguments":{{"value":{deep}}}}}}}"#
        );
        let reply = world.post(body).bearer(&world.ada()).send().await;
        assert_eq!(reply.result()["isError"], true);
        let body = format!(r#"{{"jsonrpc":"2.0","id":{deep},"method":"ping"}}"#);
        refused(&world, body, 400, -32600).await;
    }
    refused(&world, "[".repeat(1_000_000), 400, -32700).await;
    world.expect_runs(2);
    world.still_serves().await;
}

/// Makes texts in which serde_json would begin to count the nesting anew at each level.
pub(crate) fn nested_texts() -> String {
    let mut text = "[]".to_owned();
    for _ in 0..100 {
        let inside = text.replace('\\', r"\u005c").replace('"', r"\u0022");
        let (open, close) = ("[".repeat(120), "]".repeat(120));
        text = format!(r#"{open}{{"$serde_json::private::RawValue":"{inside}"}}{close}"#);
    }
    text
}

#[actix_web::test]
async fn nesting_hidden_in_texts_is_refused_and_not_a_crash() {
    let world = World::of(TOOLS, |builder| builder).await;
    let nested = nested_texts();
    let escaped = nested.replace("$serde_json", r"\u0024serde_json");
    for nested in [nested, escaped] {
        for params in [
            format!(r#"{{"name":"swallow","arguments":{{"value":{nested}}}}}"#),
            format!(r#"{{"name":"count","arguments":{{"n":1,"x":{nested}}}}}"#),
            format!(r#"{{"name":"who_am_i","inputResponses":{{"a":{nested}}}}}"#),
            format!(r#"{{"name":"who_am_i","capabilities":{nested}}}"#),
        ] {
            for method in ["tools/call", "initialize"] {
                let body =
                    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
                refused(&world, body, 400, -32600).await;
            }
        }
    }
    world.expect_runs(0);
    world.still_serves().await;
}

#[actix_web::test]
async fn a_member_given_twice_is_refused() {
    let world = World::of(TOOLS, |builder| builder).await;
    for (body, code) in [
        (
            r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}"#,
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/list"}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"},"params":{"name":"who_am_i"}}"#,
            -32600,
        ),
    ] {
        refused(&world, body, 400, code).await;
    }
    for params in [
        r#"{"name":"x","name":"who_am_i"}"#,
        r#"{"name":"who_am_i","n\u0061me":"swallow"}"#,
        r#"{"name":"who_am_i","arguments":{},"arguments":{}}"#,
        r#"{"name":"who_am_i","_meta":{},"_meta":{}}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let reply = world.post(body).bearer(&world.ada()).send().await;
        assert_eq!(reply.json()["error"]["code"], -32602, "{params}");
    }
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count","arguments":{"n":1,"n":2}}}"#;
    let reply = world.post(twice).bearer(&world.ada()).send().await;
    reply.expect_tool_error("Invalid arguments: duplicate field `n`");
    world.expect_runs(0);
    world.still_serves().await;
}

#[actix_web::test]
async fn unknown_members_are_ignored() {
    let world = World::of(TOOLS, |builder| builder).await;
    for era in ERAS {
        let mut ask = world.call(era, "who_am_i", json!({})).bearer(&world.ada());
        let body = String::from_utf8(ask.body.clone()).unwrap();
        let body = body.replacen(
            r#""jsonrpc""#,
            r#""extra":{"a":[1,2]},"authorization":"Bearer x","jsonrpc""#,
            1,
        );
        let body = body.replacen(
            r#""name""#,
            r#""task":{"ttl":1},"argument":{"x":1},"name""#,
            1,
        );
        ask.body = body.into_bytes();
        ask.send().await.expect_text("user_ada");
    }
}

#[actix_web::test]
async fn batches_are_invalid_in_every_revision() {
    let world = World::of(TOOLS, |builder| builder).await;
    let one = message("tools/call", json!({ "name": "who_am_i" }));
    let many = vec![one.as_str(); 17].join(",");
    for body in ["[]".to_owned(), format!("[{one}]"), format!(" [{many}]")] {
        for version in [Some("2025-03-26"), Some(LEGACY), Some("2026-07-28"), None] {
            let ask = world.post(body.clone()).bearer(&world.ada());
            let ask = match version {
                Some(version) => ask.header("mcp-protocol-version", version),
                None => ask,
            };
            ask.send().await.expect_rpc_error(400, -32600);
        }
    }
    world.expect_runs(0);
    world.still_serves().await;
}

#[actix_web::test]
async fn another_media_type_is_415() {
    let world = World::of(TOOLS, |builder| builder).await;
    let ask = world
        .call(Era::Legacy, "who_am_i", json!({}))
        .bearer(&world.ada());
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "application/jsonx",
        "text/plain, application/json",
        "",
    ] {
        let ask = ask.clone().header("content-type", media_type);
        ask.send().await.expect_status(415);
    }
    ask.clone()
        .without("content-type")
        .send()
        .await
        .expect_status(415);
    world.expect_runs(0);
    for media_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;x=y",
    ] {
        let ask = ask.clone().header("content-type", media_type);
        ask.send().await.expect_text("user_ada");
    }
}

#[actix_web::test]
async fn null_for_params_arguments_and_cursor_means_absent() {
    let world = World::of(TOOLS, |builder| builder).await;
    let ada = world.ada();
    let ask = |body: &str| {
        let ask = world.post(body).bearer(&ada);
        ask.header("mcp-protocol-version", LEGACY).send()
    };
    for params in ["null", r#"{"cursor":null}"#, r#"{"_meta":null}"#] {
        let list = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{params}}}"#);
        assert!(!ask(&list).await.tools().is_empty(), "{params}");
    }
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"who_am_i","arguments":null}}"#;
    ask(call).await.expect_text("user_ada");
    // A duplicate member is refused even if the first is `null`.
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"who_am_i","arguments":null,"arguments":{}}}"#;
    ask(twice).await.expect_rpc_error(400, -32602);
    world.expect_runs(1);
}

#[actix_web::test]
async fn the_endpoint_with_a_slash_at_its_end_is_served_as_the_endpoint() {
    let world = World::of(TOOLS, |builder| builder).await;
    let body = message("tools/call", json!({ "name": "who_am_i" }));
    let ask = |path: &str| {
        let mut ask = world.request(Method::POST, path);
        ask.body = body.clone().into_bytes();
        ask.header("content-type", "application/json")
    };
    let signed_in = ask("/mcp/").bearer(&world.ada()).send().await;
    signed_in.expect_text("user_ada");
    let signed_out = ask("/mcp/").send().await;
    assert_eq!(
        signed_out.expect_status(401).challenge(),
        ask("/mcp").send().await.challenge()
    );
    for path in ["/mcp//", "/", "/mcp/x"] {
        let reply = ask(path).bearer(&world.ada()).send().await;
        reply.expect_status(404);
    }
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_refusal_before_the_message_is_read_describes_the_remedy_in_its_body() {
    let world = World::of(TOOLS, |builder| builder.body_limit(1000)).await;
    let call = || {
        let call = world.call(Era::Legacy, "who_am_i", json!({}));
        call.bearer(&world.ada())
    };
    let mut long = call();
    long.body.extend([b' '; 1000]);
    for (ask, status, error, part) in [
        (
            call().header("accept", "text/event-stream"),
            406,
            "not_acceptable",
            "application/json",
        ),
        (
            call().header("content-type", "text/plain"),
            415,
            "unsupported_media_type",
            "application/json",
        ),
        (long, 413, "payload_too_large", "longer"),
        (
            world.request(Method::PUT, "/mcp").bearer(&world.ada()),
            405,
            "method_not_allowed",
            "Allow",
        ),
    ] {
        let reply = ask.send().await;
        reply.expect_status(status);
        let body = reply.json();
        assert_eq!(body["error"], error, "{body}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.contains(part), "{description}");
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_client_that_does_not_accept_json_gets_406() {
    let world = World::of(TOOLS, |builder| builder).await;
    let ask = world
        .call(Era::Legacy, "who_am_i", json!({}))
        .bearer(&world.ada());
    for accept in ["text/html", "image/*", "application/jsonx"] {
        ask.clone()
            .header("accept", accept)
            .send()
            .await
            .expect_status(406);
    }
    world.expect_runs(0);
    for accept in [
        "application/json",
        "*/*",
        "application/*;q=0.5",
        "text/html, application/JSON",
    ] {
        ask.clone()
            .header("accept", accept)
            .send()
            .await
            .expect_text("user_ada");
    }
    ask.without("accept").send().await.expect_text("user_ada");
}

#[actix_web::test]
async fn a_body_that_declares_more_than_the_limit_is_413_before_it_is_read() {
    let world = World::of(TOOLS, |builder| builder.body_limit(1000)).await;
    let ada = format!("Authorization: Bearer {}", world.ada());
    for length in ["1001", "4194304", "18446744073709551615"] {
        let mut connection = world.raw().await;
        let head = format!(
            "POST /mcp HTTP/1.1\r\n{}\r\n{ada}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
            world.host_line()
        );
        connection.write(head.as_bytes()).await;
        connection.reply().await.expect_status(413);
    }
    let mut body = message("tools/call", json!({ "name": "who_am_i" }));
    body.push_str(&" ".repeat(1000 - body.len()));
    world
        .post(body.clone())
        .bearer(&world.ada())
        .send()
        .await
        .expect_text("user_ada");
    body.push(' ');
    world
        .post(body)
        .bearer(&world.ada())
        .send()
        .await
        .expect_status(413);
    world.expect_runs(1);
    world.still_serves().await;
}

#[actix_web::test]
async fn a_body_that_grows_beyond_the_limit_is_413() {
    let world = World::of(TOOLS, |builder| builder.body_limit(1000)).await;
    let chunk = format!("3e8\r\n{}\r\n", " ".repeat(1000));
    let mut connection = world.raw().await;
    connection
        .write(chunked_head(&world, Some(&world.ada())).as_bytes())
        .await;
    connection.write(chunk.as_bytes()).await;
    connection.write(b"1\r\n \r\n").await;
    connection.reply().await.expect_status(413);

    let body = message("tools/call", json!({ "name": "who_am_i" }));
    let (first, second) = body.split_at(20);
    let mut connection = world.raw().await;
    connection
        .write(chunked_head(&world, Some(&world.ada())).as_bytes())
        .await;
    for part in [first, second] {
        connection
            .write(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes())
            .await;
    }
    connection.write(b"0\r\n\r\n").await;
    connection.reply().await.expect_text("user_ada");
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_in_time_is_408() {
    let deadline = Duration::from_millis(50);
    let world = World::of(TOOLS, |builder| builder.body_deadline(deadline)).await;
    let mut connection = world.raw().await;
    connection
        .write(chunked_head(&world, Some(&world.ada())).as_bytes())
        .await;
    connection.write(b"1\r\n{\r\n").await;
    connection.reply().await.expect_status(408);
    world.expect_runs(0);
    world.still_serves().await;
}

#[actix_web::test]
async fn malformed_chunks_end_the_request_but_not_the_server() {
    let world = World::of(TOOLS, |builder| builder).await;
    for chunk in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-1\r\n",
        "ffffffffffffffffff\r\nx\r\n",
    ] {
        let mut connection = world.raw().await;
        connection
            .write(chunked_head(&world, Some(&world.ada())).as_bytes())
            .await;
        connection.write(chunk.as_bytes()).await;
        let status = connection.reply().await.status;
        assert_eq!(status, 400, "{chunk}");
    }
    world.expect_runs(0);
    world.still_serves().await;
}

#[actix_web::test]
async fn a_request_with_two_lengths_is_refused() {
    let world = World::of(TOOLS, |builder| builder).await;
    let ada = format!("Authorization: Bearer {}", world.ada());
    let body = message("tools/call", json!({ "name": "who_am_i" }));
    for second in [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
    ] {
        let head = [
            &*world.host_line(),
            "Content-Type: application/json",
            &ada,
            second,
        ];
        let mut connection = world.raw().await;
        connection
            .write(&raw::post("/mcp", &head, body.as_bytes()))
            .await;
        connection.reply().await.expect_status(400);
    }
    world.expect_runs(0);
    world.still_serves().await;
}

#[actix_web::test]
async fn a_client_that_disconnects_during_its_body_calls_no_tool() {
    let world = World::of(TOOLS, |builder| builder).await;
    let body = message("tools/call", json!({ "name": "who_am_i" }));
    for sent in [0, 1, body.len() - 1] {
        let head = [
            &*world.host_line(),
            "Content-Type: application/json",
            &format!("Authorization: Bearer {}", world.ada()),
        ];
        let whole = raw::post("/mcp", &head, body.as_bytes());
        let mut connection = world.raw().await;
        connection
            .write(&whole[..whole.len() - body.len() + sent])
            .await;
        connection.close().await;
    }
    world.still_serves().await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_missing_authorization_is_401_for_every_body() {
    let world = World::of(TOOLS, |builder| builder).await;
    for body in [&b"{"[..], b"\xff", b"[]", b"1", b""] {
        let reply = world.post(body).send().await;
        assert!(
            reply
                .expect_status(401)
                .challenge()
                .starts_with("Bearer resource_metadata=")
        );
    }
    world.still_serves().await;
}

fn chunked_head(world: &World, token: Option<&str>) -> String {
    let authorization = token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    format!(
        "POST /mcp HTTP/1.1\r\n{}\r\n{authorization}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        world.host_line()
    )
}
