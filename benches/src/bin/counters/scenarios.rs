//! The scenarios: the requests, their number, and the expected answers.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use actix_web::web;
use clerk_emulator::TokenRequest;
use serde_json::{Value, json};
use stats_alloc::Region;
use tracing_subscriber::EnvFilter;

use crate::ALLOCATOR;
use crate::connection::{Connection, body};
use crate::servers::Servers;

/// The number of counted calls in each scenario, and the number of rotated tokens.
pub(crate) const CALLS: usize = 250;

/// The scenarios in their order. `tokens` uses the tokens that `never-seen` made known.
pub(crate) const NAMES: [&str; 13] = [
    "limit",
    "same-token",
    "never-seen",
    "tokens",
    "guarded",
    "denied",
    "look-up",
    "unauthorized",
    "echo-64k",
    "legacy",
    "list-100",
    ONE_OF_FEW,
    ONE_OF_MANY,
];

pub(crate) const ONE_OF_FEW: &str = "one-of-10";
pub(crate) const ONE_OF_MANY: &str = "one-of-1000";

/// A scenario.
struct Scenario {
    server: SocketAddr,
    /// The request that is sent before the counted calls.
    warm_up: Vec<u8>,
    /// The requests that are sent in turn.
    requests: Vec<Vec<u8>>,
    /// The beginning of each answer.
    status: &'static str,
    /// A text in the body of each answer.
    holds: &'static str,
}

/// Calls the scenarios with these names, all if there are none, and prints the allocations of the
/// calls.
pub(crate) async fn run(names: Vec<String>) {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info"))
        .with_writer(io::sink)
        .init();
    let servers = Servers::start().await;
    let scenarios = all(&servers);
    // The client blocks, and the servers need this thread.
    web::block(move || {
        for (name, scenario) in NAMES.into_iter().zip(&scenarios) {
            if names.is_empty() || names.iter().any(|asked| asked == name) {
                let (allocations, bytes) = call(scenario);
                println!("{name}\t{allocations}\t{bytes}");
            }
        }
    })
    .await
    .unwrap();
}

/// Returns the number and the bytes of the allocations in all counted calls.
fn call(scenario: &Scenario) -> (usize, usize) {
    let mut connection = Connection::to(scenario.server);
    // Under callgrind the first look-up may take longer than the server waits for it.
    for _ in 0..PATIENCE {
        if !connection
            .ask(&scenario.warm_up)
            .starts_with(b"HTTP/1.1 503 ")
        {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    for _ in 0..WARM_UP {
        let answer = connection.ask(&scenario.warm_up);
        let text = String::from_utf8_lossy(answer);
        assert!(text.starts_with(scenario.status), "{text}");
        assert!(text.contains(scenario.holds), "{text}");
    }
    let expected = body(connection.ask(&scenario.warm_up)).to_vec();
    let region = Region::new(ALLOCATOR);
    counted_calls(&mut connection, scenario, &expected);
    let change = region.change();
    (
        change.allocations + change.reallocations,
        change.bytes_allocated,
    )
}

/// The counted part: callgrind writes its counters when this function begins and ends.
#[inline(never)]
fn counted_calls(connection: &mut Connection, scenario: &Scenario, expected: &[u8]) {
    for request in scenario.requests.iter().cycle().take(CALLS) {
        let answer = connection.ask_again(request);
        assert!(answer.starts_with(scenario.status.as_bytes()));
        assert!(answer.ends_with(expected));
    }
}

/// The scenarios in the order of [`NAMES`].
fn all(servers: &Servers) -> [Scenario; NAMES.len()] {
    let ada = servers.mint(TokenRequest::oauth("ada"));
    let session = |user| servers.mint(TokenRequest::session(user).org("acme"));
    let mint = |_| servers.mint(TokenRequest::oauth("ada"));
    let many: Vec<String> = (0..CALLS).map(mint).collect();
    let add = json!({ "a": 1, "b": 2 });
    let few = servers.subject(10);
    let call = |token: &str, tool: &str, arguments: &Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        modern(few, "tools/call", token, params)
    };
    let to = |server, request: Vec<u8>, holds| Scenario {
        server,
        requests: vec![request.clone()],
        warm_up: request,
        status: "HTTP/1.1 200 ",
        holds,
    };
    let same_token = || to(few, call(&ada, "add", &add), SUM);
    let rotation = || Scenario {
        requests: many.iter().map(|token| call(token, "add", &add)).collect(),
        ..same_token()
    };
    let guarded = |token: &str, holds| to(few, call(token, "guarded_add", &add), holds);
    let hundred = servers.subject(100);
    let one = |of, tool| {
        let params = json!({ "name": tool, "arguments": add });
        let server = servers.subject(of);
        to(server, modern(server, "tools/call", &ada, params), SUM)
    };
    let text = json!({ "text": "0123456789abcdef".repeat(4096) });
    [
        to(servers.limit(), call(&ada, "add", &add), SUM),
        same_token(),
        rotation(),
        rotation(),
        guarded(&session("ada"), SUM),
        guarded(&session("grace"), "permission required"),
        guarded(&servers.mint(TokenRequest::oauth("ada").org("acme")), SUM),
        Scenario {
            status: "HTTP/1.1 401 ",
            ..to(few, anonymous(few, &add), "")
        },
        to(few, call(&ada, "echo", &text), "0123456789abcdef"),
        to(few, legacy(few, &ada, &add), SUM),
        to(
            hundred,
            modern(hundred, "tools/list", &ada, json!({})),
            "tool_098",
        ),
        one(10, "tool_006"),
        one(1000, "tool_666"),
    ]
}

/// A request of MCP 2026-07-28.
fn modern(server: SocketAddr, method: &str, token: &str, mut params: Value) -> Vec<u8> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "counters", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut head = format!(
        "Authorization: Bearer {token}\r\nMCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n"
    );
    if let Some(name) = params["name"].as_str() {
        head += &format!("Mcp-Name: {name}\r\n");
    }
    post(server, &head, method, &params)
}

/// A call of MCP 2025-11-25.
fn legacy(server: SocketAddr, token: &str, arguments: &Value) -> Vec<u8> {
    let head = format!("Authorization: Bearer {token}\r\nMCP-Protocol-Version: {LEGACY}\r\n");
    let params = json!({ "name": "add", "arguments": arguments });
    post(server, &head, "tools/call", &params)
}

fn anonymous(server: SocketAddr, arguments: &Value) -> Vec<u8> {
    let params = json!({ "name": "add", "arguments": arguments });
    post(server, "", "tools/call", &params)
}

/// A POST whose head has only the headers that clients send.
fn post(server: SocketAddr, head: &str, method: &str, params: &Value) -> Vec<u8> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let body = body.to_string();
    format!(
        "POST /mcp HTTP/1.1\r\n\
         Host: {server}\r\n\
         Content-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n\
         {head}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const SUM: &str = r#"{\"sum\":3}"#;
/// The maximal number of attempts until the caches for connection, token and organization are
/// filled.
const PATIENCE: usize = 100;
const WARM_UP: usize = 20;
