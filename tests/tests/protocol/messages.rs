//! Progress, log messages, cancellation, and time-outs that progress extends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clerk_emulator::TokenRequest;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::raw::{self, Raw};
use crate::reply::{Reply, events};
use crate::schema::{expect_result, expect_valid};
use crate::support::{ERAS, Era, MODERN, World, eventually, message, modern_meta};

mod tools {
    use std::time::Duration;

    use mcp_auth::{Context, LogLevel, State, ToolError, mcp_prompt, mcp_resource, mcp_tool};
    use serde_json::json;
    use tokio::time::sleep;

    use super::Seen;

    /// Report some progress.
    #[mcp_tool(permission = "org:documents:read")]
    async fn import(steps: u32, cx: &Context) -> String {
        for step in 1..=steps {
            cx.progress(step, steps, "importing");
            sleep(Duration::from_millis(2)).await;
        }
        "imported".to_owned()
    }

    /// Report some progress on a thread.
    #[mcp_tool]
    fn import_plainly(steps: u32, cx: &Context) -> String {
        for step in 1..=steps {
            cx.progress(f64::from(step) / 2.0, None, None);
            cx.log(LogLevel::Info, "import", step);
            std::thread::sleep(Duration::from_millis(2));
        }
        "imported".to_owned()
    }

    /// Log at each level.
    #[mcp_tool(public)]
    async fn log_all(cx: &Context) -> &'static str {
        cx.log(LogLevel::Debug, "log", json!({ "step": 1 }));
        cx.log(LogLevel::Info, None, "two\nlines");
        cx.log(LogLevel::Warning, "log", json!([1, 2]));
        cx.log(LogLevel::Emergency, "log", None::<u32>);
        "logged"
    }

    /// Say nothing.
    #[mcp_tool]
    async fn say_nothing(cx: &Context) -> String {
        cx.tool_name().to_owned()
    }

    /// Report, and fail.
    #[mcp_tool]
    async fn fail(cx: &Context) -> Result<String, ToolError> {
        cx.progress(1, 2, None);
        Err(ToolError::new("Half way"))
    }

    /// Report, and panic.
    #[mcp_tool]
    async fn explode(cx: &Context) -> String {
        cx.progress(1, 2, None);
        sleep(Duration::from_millis(1)).await;
        panic!("boom")
    }

    /// Report, and ask for a scope.
    #[mcp_tool]
    async fn need_more(cx: &Context) -> Result<String, ToolError> {
        cx.progress(1, 2, None);
        Err(ToolError::needs_scopes(["documents:admin"]))
    }

    /// Log before the decision.
    #[mcp_tool(authorize = never(cx))]
    async fn forbidden(cx: &Context) -> String {
        cx.tool_name().to_owned()
    }

    fn never(cx: &Context) -> bool {
        cx.log(LogLevel::Info, "decision", "no");
        false
    }

    /// Report for longer than the time-out.
    #[mcp_tool(timeout = 1, extend_on_progress = 4)]
    async fn outlast(seconds: u64, silent: bool, cx: &Context) -> String {
        for tenth in 0..seconds * 10 {
            if !silent {
                cx.progress(tenth + 1, seconds * 10, None);
            }
            sleep(Duration::from_millis(100)).await;
        }
        "lasted".to_owned()
    }

    /// Log until the client reads.
    #[mcp_tool]
    async fn flood(seen: &State<Seen>, cx: &Context) -> String {
        for _ in 0..20_000 {
            cx.log(LogLevel::Info, None, "x".repeat(1000));
            seen.count();
            tokio::task::yield_now().await;
        }
        "flooded".to_owned()
    }

    /// Log until the client is gone.
    #[mcp_tool]
    fn flood_plainly(seen: &State<Seen>, cx: &Context) -> String {
        while !cx.is_cancelled() {
            cx.log(LogLevel::Info, None, "x".repeat(1000));
            seen.count();
        }
        seen.cancelled();
        "flooded".to_owned()
    }

    /// Start a task that learns of the cancellation.
    #[mcp_tool]
    async fn watch(report: bool, end: bool, seen: &State<Seen>, cx: &Context) -> String {
        let (cancelled, seen) = (cx.cancelled(), (**seen).clone());
        seen.count();
        tokio::spawn(async move {
            cancelled.await;
            seen.cancelled();
        });
        if report {
            cx.progress(1, 2, None);
        }
        if !end {
            sleep(Duration::from_secs(60)).await;
        }
        "ended".to_owned()
    }

    /// Summarise, with progress.
    #[mcp_prompt(permission = "org:documents:read")]
    async fn summarise(cx: &Context) -> String {
        cx.progress(1, 1, String::from("found"));
        "Summarise".to_owned()
    }

    /// The index, with progress.
    #[mcp_resource("docs://index", permission = "org:documents:read")]
    async fn index(cx: &Context) -> String {
        cx.progress(1, 1, "found");
        "the index".to_owned()
    }
}

/// Counts of the calls and cancellations that the tools noticed.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<[AtomicUsize; 2]>);

impl Seen {
    fn count(&self) {
        self.0[0].fetch_add(1, Ordering::SeqCst);
    }

    fn counted(&self) -> usize {
        self.0[0].load(Ordering::SeqCst)
    }

    fn cancelled(&self) {
        self.0[1].fetch_add(1, Ordering::SeqCst);
    }

    fn cancellations(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }
}

async fn world() -> (World, Seen) {
    let seen = Seen::default();
    let state = seen.clone();
    let world = World::of("protocol::messages::tools", |builder| builder.state(state)).await;
    (world, seen)
}

/// A request that asks for these messages.
fn asking(
    world: &World,
    era: Era,
    (method, mut params): (&str, Value),
    asked: &[(&str, Value)],
) -> crate::support::Ask {
    let ask = world.ask(era, method, params.clone());
    let mut meta = match era {
        Era::Legacy => json!({}),
        Era::Modern => modern_meta(),
    };
    for (name, value) in asked {
        meta[*name] = value.clone();
    }
    params["_meta"] = meta;
    let mut ask = ask;
    ask.body = message(method, params).into_bytes();
    ask
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers write it with `json!`"
)]
fn tool(name: &str, arguments: Value) -> (&'static str, Value) {
    (
        "tools/call",
        json!({ "name": name, "arguments": arguments }),
    )
}

const TOKEN: &str = "progressToken";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";

#[actix_web::test]
async fn progress_is_sent_with_the_token_of_the_client_before_the_result() {
    let (world, _) = world().await;
    for era in ERAS {
        for token in [json!("a token"), json!(7)] {
            let call = tool("import", json!({ "steps": 100 }));
            let ask = asking(&world, era, call, &[(TOKEN, token.clone())]);
            let reply = ask.bearer(&world.ada()).send().await;
            assert_eq!(reply.header("x-accel-buffering"), Some("no"));
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            let progress = reply.notified("notifications/progress");
            assert!(progress.len() > 2 && progress.len() < 40, "{progress:?}");
            let values: Vec<_> = progress
                .iter()
                .map(|one| one["progress"].as_u64().unwrap())
                .collect();
            assert!(values.is_sorted_by(|one, next| one < next), "{values:?}");
            assert_eq!(values.last(), Some(&100));
            for one in &progress {
                assert_eq!(one["progressToken"], token);
                assert_eq!(one["total"], 100);
                assert_eq!(one["message"], "importing");
            }
            for event in reply.events().split_last().unwrap().1 {
                expect_valid(era, "ProgressNotification", event);
            }
            let result = reply.result();
            expect_valid(era, "CallToolResult", &result);
            reply.expect_text("imported");
        }
    }
}

#[actix_web::test]
async fn without_a_token_or_a_level_the_response_is_json() {
    let (world, _) = world().await;
    for era in ERAS {
        for (name, arguments) in [
            ("import", json!({ "steps": 3 })),
            ("import_plainly", json!({ "steps": 3 })),
            ("log_all", json!({})),
            ("say_nothing", json!({})),
        ] {
            let asked = if name == "say_nothing" {
                vec![(TOKEN, json!(1)), (LEVEL, json!("debug"))]
            } else {
                Vec::new()
            };
            let ask = asking(&world, era, tool(name, arguments), &asked);
            let reply = ask.bearer(&world.ada()).send().await;
            assert_eq!(reply.header("content-type"), Some("application/json"));
            expect_result(era, "CallToolResult", &reply);
        }
    }
}

#[actix_web::test]
async fn a_client_that_accepts_no_events_gets_json() {
    let (world, _) = world().await;
    for (accept, streams) in [
        ("application/json", false),
        ("application/json, text/event-stream", true),
        ("text/event-stream; q=0.5, application/json", true),
        ("text/event-stream;q=0, application/json", false),
        ("application/json, */*; Q=0.000", false),
        ("*/*", true),
    ] {
        let call = tool("import", json!({ "steps": 3 }));
        let ask = asking(&world, Era::Modern, call, &[(TOKEN, json!(1))]);
        let reply = ask
            .header("accept", accept)
            .bearer(&world.ada())
            .send()
            .await;
        assert_eq!(reply.is_stream(), streams, "{accept}");
        reply.expect_text("imported");
    }
}

#[actix_web::test]
async fn a_plain_function_sends_messages_too() {
    let (world, _) = world().await;
    let call = tool("import_plainly", json!({ "steps": 4 }));
    let asked = [(TOKEN, json!("t")), (LEVEL, json!("info"))];
    let ask = asking(&world, Era::Modern, call, &asked);
    let reply = ask.bearer(&world.ada()).send().await;
    reply.expect_text("imported");
    let last = json!({ "progressToken": "t", "progress": 2 });
    assert_eq!(reply.notified("notifications/progress").last(), Some(&last));
    let logs = reply.notified("notifications/message");
    let data: Vec<_> = logs.iter().map(|log| log["data"].clone()).collect();
    assert_eq!(data, [1, 2, 3, 4]);
}

#[actix_web::test]
async fn a_modern_request_gets_log_messages_from_its_level_on() {
    let (world, _) = world().await;
    let all = [
        json!({ "level": "debug", "logger": "log", "data": { "step": 1 } }),
        json!({ "level": "info", "data": "two\nlines" }),
        json!({ "level": "warning", "logger": "log", "data": [1, 2] }),
        json!({ "level": "emergency", "logger": "log", "data": null }),
    ];
    for (level, from) in [
        ("debug", 0),
        ("info", 1),
        ("notice", 2),
        ("error", 3),
        ("emergency", 3),
    ] {
        let ask = asking(
            &world,
            Era::Modern,
            tool("log_all", json!({})),
            &[(LEVEL, json!(level))],
        );
        // With a token and without one.
        for ask in [ask.clone(), ask.bearer(&world.ada())] {
            let reply = ask.send().await;
            assert_eq!(
                reply.notified("notifications/message"),
                all[from..],
                "{level}"
            );
            for event in reply.events().split_last().unwrap().1 {
                expect_valid(Era::Modern, "LoggingMessageNotification", event);
            }
            reply.expect_text("logged");
        }
    }
}

#[actix_web::test]
async fn a_legacy_level_holds_for_the_principal_that_set_it() {
    let (world, _) = world().await;
    let token = |name: &str| world.mint(&TokenRequest::oauth(name).org("acme"));
    let logs = async |token: &str| {
        let ask = asking(
            &world,
            Era::Legacy,
            tool("log_all", json!({})),
            &[(LEVEL, json!("debug"))],
        );
        let reply = ask.bearer(token).send().await;
        reply.expect_text("logged");
        if reply.is_stream() {
            reply.notified("notifications/message").len()
        } else {
            0
        }
    };
    let set = async |token: &str, level: &str| {
        let params = json!({ "level": level });
        let reply = world
            .ask(Era::Legacy, "logging/setLevel", params)
            .bearer(token)
            .send()
            .await;
        assert_eq!(reply.result(), json!({}));
    };
    let (ada, grace) = (token("ada"), token("grace"));
    assert_eq!(logs(&ada).await, 0);
    set(&ada, "warning").await;
    assert_eq!(logs(&ada).await, 2);
    // Another token of the same user and client.
    assert_eq!(logs(&token("ada")).await, 2);
    assert_eq!(logs(&grace).await, 0);
    set(&ada, "debug").await;
    assert_eq!(logs(&ada).await, 4);
    set(&ada, "emergency").await;
    assert_eq!(logs(&ada).await, 1);
}

#[actix_web::test]
async fn malformed_requests_for_messages_are_refused() {
    let (world, _) = world().await;
    let ada = world.ada();
    for era in ERAS {
        for token in [json!({}), json!([1]), json!(true), json!("x".repeat(2000))] {
            let ask = asking(&world, era, tool("log_all", json!({})), &[(TOKEN, token)]);
            ask.bearer(&ada).send().await.expect_rpc_error(400, -32602);
        }
    }
    for level in [json!("trace"), json!("Debug"), json!(7), json!({})] {
        let ask = asking(
            &world,
            Era::Modern,
            tool("log_all", json!({})),
            &[(LEVEL, level.clone())],
        );
        ask.bearer(&ada).send().await.expect_rpc_error(400, -32602);
        let ask = world.ask(Era::Legacy, "logging/setLevel", json!({ "level": level }));
        let reply = ask.bearer(&ada).send().await;
        assert_eq!(reply.json()["error"]["code"], -32602);
    }
    let ask = world.ask(Era::Modern, "logging/setLevel", json!({ "level": "info" }));
    ask.bearer(&ada).send().await.expect_rpc_error(404, -32601);
}

#[actix_web::test]
async fn a_server_whose_functions_cannot_log_has_no_logging() {
    let gate = crate::parked::Gate::closed();
    let silent = World::of("protocol::parked", |builder| builder.state(gate)).await;
    let (talking, _) = world().await;
    for (world, logs) in [(silent, false), (talking, true)] {
        let ask = world.ask(Era::Modern, "server/discover", json!({}));
        let result = ask.bearer(&world.ada()).send().await.result();
        assert_eq!(result["capabilities"].get("logging").is_some(), logs);
        let ask = world.ask(Era::Legacy, "logging/setLevel", json!({ "level": "info" }));
        let reply = ask.bearer(&world.ada()).send().await;
        if logs {
            assert_eq!(reply.result(), json!({}));
        } else {
            reply.expect_rpc_error(200, -32601);
        }
    }
}

#[actix_web::test]
async fn a_failure_after_a_message_is_the_last_event() {
    let (world, _) = world().await;
    let ada = world.ada();
    let send = async |era, name: &str| {
        let asked = [(TOKEN, json!(1)), (LEVEL, json!("debug"))];
        let ask = asking(&world, era, tool(name, json!({})), &asked);
        ask.bearer(&ada).send().await
    };
    for era in ERAS {
        let reply = send(era, "fail").await;
        assert_eq!(reply.events().len(), 2);
        reply.expect_tool_error("Half way");
        let reply = send(era, "explode").await;
        assert!(reply.is_stream());
        assert!(reply.text().starts_with("Internal error, reference "));
        // The status of the response is already sent, so the denial is a result.
        let reply = send(era, "need_more").await;
        assert_eq!(reply.events().len(), 2);
        assert_eq!(reply.text(), "Forbidden: documents:admin scope required");
        assert!(reply.challenges_in_meta().unwrap()[0].contains("documents:admin"));
    }
    // A message of `authorize` is dropped.
    let reply = send(Era::Modern, "forbidden").await;
    assert!(!reply.is_stream());
    assert_eq!(reply.result()["isError"], true);
}

#[actix_web::test]
async fn prompts_and_resources_report_progress() {
    let (world, _) = world().await;
    for era in ERAS {
        for (request, result) in [
            (
                ("prompts/get", json!({ "name": "summarise" })),
                "GetPromptResult",
            ),
            (
                ("resources/read", json!({ "uri": "docs://index" })),
                "ReadResourceResult",
            ),
        ] {
            let ask = asking(&world, era, request.clone(), &[(TOKEN, json!(1))]);
            let reply = ask.bearer(&world.ada()).send().await;
            assert_eq!(
                reply.notified("notifications/progress")[0]["message"],
                "found"
            );
            expect_valid(era, result, &reply.result());
            // A caller who may not use it gets JSON, and no progress.
            let ask = asking(&world, era, request, &[(TOKEN, json!(1))]);
            let reply = ask.bearer(&world.linus()).send().await;
            assert!(!reply.is_stream());
            assert!(reply.json().get("error").is_some());
        }
    }
}

#[actix_web::test]
async fn a_denied_caller_gets_no_progress() {
    let (world, _) = world().await;
    let call = tool("import", json!({ "steps": 3 }));
    let ask = asking(&world, Era::Modern, call, &[(TOKEN, json!(1))]);
    let reply = ask.bearer(&world.linus()).send().await;
    assert!(!reply.is_stream());
    assert_eq!(reply.text(), "Organization context required");
}

#[actix_web::test]
async fn progress_extends_the_time_out_up_to_the_longest_time() {
    let (world, _) = world().await;
    let ada = world.ada();
    let outlast = async |seconds: u64, silent: bool, asked: &[(&str, Value)]| {
        let call = tool("outlast", json!({ "seconds": seconds, "silent": silent }));
        asking(&world, Era::Modern, call, asked)
            .bearer(&ada)
            .send()
            .await
    };
    let token = [(TOKEN, json!(1))];
    let (lasted, unasked, silent, too_long) = tokio::join!(
        outlast(2, false, &token),
        outlast(2, false, &[]),
        outlast(2, true, &token),
        outlast(9, false, &token),
    );
    lasted.expect_text("lasted");
    unasked.expect_text("lasted");
    assert!(silent.text().starts_with("Internal error, reference "));
    assert!(too_long.text().starts_with("Internal error, reference "));
    let reported = too_long.notified("notifications/progress");
    let last = reported.last().unwrap()["progress"].as_u64().unwrap();
    assert!((30..=45).contains(&last), "{last}");
}

/// Sends a call over a connection of its own.
async fn begin(world: &World, name: &str, arguments: Value, asked: &[(&str, Value)]) -> Raw {
    let mut meta = modern_meta();
    for (name, value) in asked {
        meta[*name] = value.clone();
    }
    let params = json!({ "name": name, "arguments": arguments, "_meta": meta });
    let body = message("tools/call", params);
    let head = [
        world.host_line(),
        format!("Authorization: Bearer {}", world.ada()),
        "Content-Type: application/json".to_owned(),
        "Accept: application/json, text/event-stream".to_owned(),
        format!("MCP-Protocol-Version: {MODERN}"),
        "Mcp-Method: tools/call".to_owned(),
        format!("Mcp-Name: {name}"),
    ];
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut raw = world.raw().await;
    raw.write(&raw::post("/mcp", &head, body.as_bytes())).await;
    raw
}

#[actix_web::test]
async fn a_client_that_does_not_read_stops_the_function() {
    let (world, seen) = world().await;
    let asked = [(LEVEL, json!("debug"))];
    for name in ["flood", "flood_plainly"] {
        let before = seen.counted();
        let raw = begin(&world, name, json!({}), &asked).await;
        eventually("the function begins", || seen.counted() > before).await;
        // The buffers of the sockets take some hundred messages, then the function stops.
        let mut last = 0;
        eventually("the function stops", || {
            let now = seen.counted();
            let stopped = now == last;
            last = now;
            std::thread::sleep(Duration::from_millis(100));
            stopped
        })
        .await;
        assert!(last - before < 2_000, "{}", last - before);
        drop(raw);
    }
    eventually("the plain function learns that the client is gone", || {
        seen.cancellations() == 1
    })
    .await;
    let silent = seen.counted();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(seen.counted(), silent);
}

#[actix_web::test]
async fn the_time_out_passes_while_the_client_does_not_read() {
    let seen = Seen::default();
    let state = seen.clone();
    let world = World::of("protocol::messages::tools", |builder| {
        let builder = builder.state(state).timeout(Duration::from_millis(300));
        builder.calls_in_flight(1)
    })
    .await;
    for name in ["flood", "flood_plainly"] {
        let before = seen.counted();
        let raw = begin(&world, name, json!({}), &[(LEVEL, json!("debug"))]).await;
        eventually("the function begins", || seen.counted() > before).await;
        let call = async || {
            let ask = world.call(Era::Modern, "say_nothing", json!({}));
            ask.bearer(&world.ada()).send().await
        };
        call().await.expect_unavailable();
        sleep(Duration::from_millis(600)).await;
        call().await.expect_text("say_nothing");
        drop(raw);
    }
    assert_eq!(seen.cancellations(), 1);
}

#[actix_web::test]
async fn a_request_that_cannot_have_chunks_gets_json() {
    let (world, _) = world().await;
    let mut meta = modern_meta();
    meta[TOKEN] = json!(1);
    let params = json!({ "name": "import", "arguments": { "steps": 3 }, "_meta": meta });
    let body = message("tools/call", params);
    let head = [
        world.host_line(),
        format!("Authorization: Bearer {}", world.ada()),
        "Content-Type: application/json".to_owned(),
        "Accept: application/json, text/event-stream".to_owned(),
        format!("MCP-Protocol-Version: {MODERN}"),
        "Mcp-Method: tools/call".to_owned(),
        "Mcp-Name: import".to_owned(),
    ];
    let mut head: Vec<&str> = head.iter().map(String::as_str).collect();
    let old = raw::post("/mcp", &head, body.as_bytes());
    let old = String::from_utf8(old)
        .unwrap()
        .replacen("HTTP/1.1", "HTTP/1.0", 1);
    head.extend(["Connection: upgrade", "Upgrade: websocket"]);
    let upgrading = raw::post("/mcp", &head, body.as_bytes());
    for request in [old.into_bytes(), upgrading] {
        let mut connection = world.raw().await;
        connection.write(&request).await;
        let reply = connection.reply().await;
        assert_eq!(reply.header("content-type"), Some("application/json"));
        reply.expect_text("imported");
    }
}

#[actix_web::test]
async fn a_client_that_never_reads_is_dropped_at_the_write_deadline() {
    let seen = Seen::default();
    let state = seen.clone();
    let world = World::of("protocol::messages::tools", |builder| {
        builder
            .state(state)
            .write_deadline(Duration::from_millis(300))
    })
    .await;
    let raw = begin(
        &world,
        "flood_plainly",
        json!({}),
        &[(LEVEL, json!("info"))],
    )
    .await;
    eventually("the call is cancelled", || seen.cancellations() == 1).await;
    drop(raw);
}

#[actix_web::test]
async fn a_modern_client_that_hangs_up_cancels_before_and_after_the_first_message() {
    let (world, seen) = world().await;
    for report in [false, true] {
        let arguments = json!({ "report": report, "end": false });
        let raw = begin(&world, "watch", arguments, &[(TOKEN, json!(1))]).await;
        let run = 1 + usize::from(report);
        eventually("the function runs", || seen.counted() == run).await;
        assert_eq!(seen.cancellations(), run - 1);
        raw.close().await;
        eventually("the task learns of it", || seen.cancellations() == run).await;
    }
    // A function that ends by itself is not cancelled.
    let ended = tool("watch", json!({ "report": true, "end": true }));
    let ask = asking(&world, Era::Modern, ended, &[(TOKEN, json!(1))]);
    ask.bearer(&world.ada()).send().await.expect_text("ended");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(seen.cancellations(), 2);
}

#[actix_web::test]
async fn a_call_that_times_out_is_cancelled() {
    let seen = Seen::default();
    let state = seen.clone();
    let world = World::of("protocol::messages::tools", |builder| {
        builder.state(state).timeout(Duration::from_millis(50))
    })
    .await;
    for era in ERAS {
        let call = tool("watch", json!({ "report": true, "end": false }));
        let ask = asking(&world, era, call, &[(TOKEN, json!(1))]);
        let reply = ask.bearer(&world.ada()).send().await;
        assert!(reply.text().starts_with("Internal error, reference "));
    }
    eventually("both calls are cancelled", || seen.cancellations() == 2).await;
}

#[actix_web::test]
async fn the_events_arrive_while_the_function_runs() {
    let (world, _) = world().await;
    let call = tool("outlast", json!({ "seconds": 3, "silent": false }));
    let ask = asking(&world, Era::Modern, call, &[(TOKEN, json!(1))]);
    let mut response = ask.bearer(&world.ada()).start().await;
    let first = response.chunk().await.unwrap().unwrap();
    let first = events(std::str::from_utf8(&first).unwrap());
    assert_eq!(first[0]["params"]["progress"], 1);
    assert!(first.iter().all(|event| event.get("id").is_none()));
    let reply = Reply::read(response).await;
    assert_eq!(
        reply.events().last().unwrap()["result"]["content"][0]["text"],
        "lasted"
    );
}
