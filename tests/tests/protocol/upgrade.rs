//! Requests for another protocol (`Connection: Upgrade`). They are answered in HTTP/1.1, and the
//! response closes the connection.

use std::net::{SocketAddr, TcpListener};

use actix_web::{App, HttpServer};
use clerk_emulator::{Emulator, TokenRequest};
use futures_util::future::join_all;
use mcp_auth::testing::TestClock;
use serde_json::json;

use crate::raw::{self, Raw};
use crate::support::{Runs, World, builder, emulator, message};

/// The upgrade headers of several clients and proxies: Java's HTTP client, nginx with the usual
/// configuration for WebSocket, and others.
const UPGRADES: [&[&str]; 6] = [
    &[
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
    ],
    &["Connection: upgrade"],
    &["Connection: keep-alive, Upgrade", "Upgrade: h2c"],
    &["Connection: Upgrade", "Upgrade: websocket"],
    &["Connection: keep-alive", "Upgrade: websocket"],
    &["Connection: close, Upgrade", "Upgrade: h2c"],
];

/// One request for each status of the server.
fn requests(host: &str, token: &str) -> Vec<(u16, String, Vec<u8>)> {
    let bearer = format!("Authorization: Bearer {token}");
    let call = message("tools/call", json!({ "name": "who_am_i" }));
    let post = |more: &[&str]| {
        let mut head = vec![
            "POST /mcp",
            host,
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
        ];
        head.extend(more);
        head.join("\n")
    };
    let get = |path: &str, more: &[&str]| {
        let start = format!("GET {path}");
        let mut head = vec![&*start, host];
        head.extend(more);
        head.join("\n")
    };
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let body = |text: &str| text.as_bytes().to_vec();
    let long = format!("Content-Length: {}", 64 * 1024 * 1024);
    vec![
        (200, post(&[&bearer]), body(&call)),
        (202, post(&[&bearer]), body(notification)),
        (400, post(&[&bearer]), body("{")),
        (401, post(&[]), body(&call)),
        (401, post(&["Authorization: Bearer bad"]), body(&call)),
        (
            403,
            post(&[&bearer, "Origin: https://evil.example"]),
            body(&call),
        ),
        (
            406,
            post(&[&bearer]).replace("application/json, text", "text"),
            body(&call),
        ),
        (413, post(&[&bearer, &long]), Vec::new()),
        (
            415,
            post(&[&bearer]).replace("application/json\n", "text/plain\n"),
            body(&call),
        ),
        (405, get("/mcp", &[&bearer]), Vec::new()),
        (401, get("/mcp", &[]), Vec::new()),
        (200, get("/mcp", &["Accept: text/html"]), Vec::new()),
        (
            200,
            get("/.well-known/oauth-protected-resource/mcp", &[]),
            Vec::new(),
        ),
        (
            200,
            get("/.well-known/oauth-authorization-server", &[]),
            Vec::new(),
        ),
        (204, get("/mcp", &[]).replace("GET", "OPTIONS"), Vec::new()),
        (
            204,
            get("/.well-known/oauth-protected-resource", &[]).replace("GET", "OPTIONS"),
            Vec::new(),
        ),
    ]
}

/// The bytes of a request, in a version of HTTP.
fn written(version: &str, head: &str, more: &[&str], body: &[u8]) -> Vec<u8> {
    let (start, fields) = head.split_once('\n').unwrap();
    let mut text = format!("{start} {version}\r\n");
    for field in fields.split('\n').chain(more.iter().copied()) {
        text += &format!("{field}\r\n");
    }
    if !head.contains("Content-Length") && !head.starts_with("GET") {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut bytes = (text + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Sends each request with each upgrade, in both versions of HTTP, each on its own connection.
async fn expect_answered_and_closed(address: SocketAddr, token: &str, others: &[(u16, &str)]) {
    let host = format!("Host: {address}");
    let elsewhere = others.iter().map(|(status, path)| {
        let head = format!("GET {path}\n{host}");
        (*status, head, Vec::new())
    });
    let mut shapes = Vec::new();
    for (status, head, body) in requests(&host, token).into_iter().chain(elsewhere) {
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            shapes.extend(UPGRADES.map(|upgrade| {
                let bytes = written(version, &head, upgrade, &body);
                let shape = format!("{version} {upgrade:?} {head}");
                expect_closed(address, status, bytes, shape)
            }));
        }
    }
    join_all(shapes).await;
}

async fn expect_closed(address: SocketAddr, status: u16, bytes: Vec<u8>, shape: String) {
    let mut connection = Raw::connect(address).await;
    connection.write(&bytes).await;
    let reply = connection.reply().await;
    assert_eq!(reply.status, status, "{shape}: {reply:?}");
    let said = reply.header("connection");
    // HTTP/1.0 closes the connection unless the response says otherwise.
    let closes = said == Some("close") || (shape.starts_with("HTTP/1.0") && said.is_none());
    assert!(closes, "{shape}: {said:?}");
    assert_eq!(connection.ended().await, b"", "{shape}");
}

#[actix_web::test]
async fn a_request_to_upgrade_is_answered_and_closes_its_connection() {
    let world = World::new().await;
    let not_found = [(404, "/elsewhere")];
    expect_answered_and_closed(world.server.address, &world.ada(), &not_found).await;
}

#[actix_web::test]
async fn mounted_in_an_application_a_request_to_upgrade_is_answered_alike() {
    let clerk = emulator().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = builder(&clerk)
        .tools_of("protocol::tools")
        .state(Runs::default())
        .url(format!("http://{address}"))
        .build()
        .await
        .unwrap();
    let http = HttpServer::new(move || {
        App::new()
            .configure(server.well_known())
            .configure(server.routes())
    })
    .workers(1)
    .h1_allow_half_closed(false)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = http.handle();
    let running = actix_web::rt::spawn(http);
    expect_answered_and_closed(address, &token(&clerk), &[]).await;
    handle.stop(false).await;
    running.await.unwrap().unwrap();
}

fn token(clerk: &Emulator) -> String {
    let now = TestClock::new().unix_seconds();
    clerk
        .instance()
        .mint(&TokenRequest::oauth("ada"), now)
        .unwrap()
}

#[actix_web::test]
async fn bytes_after_the_body_of_a_request_to_upgrade_are_not_part_of_it() {
    let world = World::new().await;
    let host = world.host_line();
    let bearer = format!("Authorization: Bearer {}", world.ada());
    let call = |name: &str| {
        let params = json!({ "name": "greet", "arguments": { "name": name } });
        message("tools/call", params).into_bytes()
    };
    for upgrade in UPGRADES {
        let before = world.runs.total();
        let mut head = vec![&*host, &*bearer, "Content-Type: application/json"];
        head.extend(upgrade);
        let mut connection = world.raw().await;
        let mut bytes = raw::post("/mcp", &head, &call("Ada"));
        bytes.extend(raw::post(
            "/mcp",
            &[&host, "Content-Type: text/plain"],
            b"{",
        ));
        connection.write(&bytes).await;
        let reply = connection.reply().await;
        reply.expect_text("Hello Ada");
        assert_eq!(reply.header("connection"), Some("close"), "{upgrade:?}");
        assert_eq!(world.runs.total(), before + 1, "{upgrade:?}");
    }
}

#[actix_web::test]
async fn the_body_of_a_request_for_websocket_ends_where_its_length_says() {
    let world = World::new().await;
    let host = world.host_line();
    let bearer = format!("Authorization: Bearer {}", world.ada());
    let head = [
        &*host,
        &*bearer,
        "Content-Type: application/json",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ];
    let call = message(
        "tools/call",
        json!({ "name": "greet", "arguments": { "name": "Ada" } }),
    );
    // The request is sent in one piece and in three pieces. The bytes behind it are another
    // request, which must never be read as one.
    let request = raw::post("/mcp", &head, call.as_bytes());
    for cuts in [vec![], vec![request.len() - call.len(), request.len() - 5]] {
        let mut bytes = request.clone();
        bytes.extend(raw::post("/mcp", &head, call.as_bytes()));
        let mut connection = world.raw().await;
        let mut begin = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            connection.write(&bytes[begin..cut]).await;
            actix_web::rt::time::sleep(std::time::Duration::from_millis(20)).await;
            begin = cut;
        }
        connection.reply().await.expect_text("Hello Ada");
        assert_eq!(connection.ended().await, b"");
    }
    world.expect_runs(2);
}

#[actix_web::test]
async fn a_chunked_request_to_upgrade_is_read_by_its_chunks() {
    let world = World::new().await;
    let host = world.host_line();
    let bearer = format!("Authorization: Bearer {}", world.ada());
    let call = message(
        "tools/call",
        json!({ "name": "greet", "arguments": { "name": "Ada" } }),
    );
    for upgrade in UPGRADES {
        let mut head = vec![
            "POST /mcp HTTP/1.1",
            &*host,
            &*bearer,
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
        ];
        head.extend(upgrade);
        let bytes = format!(
            "{}\r\n\r\n{:x}\r\n{call}\r\n0\r\n\r\n",
            head.join("\r\n"),
            call.len()
        );
        let mut connection = world.raw().await;
        connection.write(bytes.as_bytes()).await;
        connection.reply().await.expect_text("Hello Ada");
    }
    world.expect_runs(UPGRADES.len());
}
