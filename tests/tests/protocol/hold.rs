//! The limits of connections: deadlines, numbers, and the data that is read while responses are
//! pending.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::{App, web};
use clerk_emulator::TokenRequest;
use mcp_auth::ServerBuilder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::parked::Gate;
use crate::raw::{Raw, post, request};
use crate::support::{MODERN, World, builder, emulator, eventually, message, modern_meta};

mod tools {
    use mcp_auth::mcp_tool;

    /// Return what was given.
    #[mcp_tool]
    async fn echo(text: String) -> String {
        text
    }
}

/// Two servers with an echo: one without TLS, and one with TLS.
async fn echoing(settings: impl Fn(ServerBuilder) -> ServerBuilder) -> [World; 2] {
    let module = "protocol::hold::tools";
    [
        World::of(module, &settings).await,
        World::secured(module, &settings).await,
    ]
}

/// Two servers whose only tools wait: one without TLS, and one with TLS.
async fn waiting(settings: impl Fn(ServerBuilder) -> ServerBuilder) -> [(World, Gate); 2] {
    let module = "protocol::parked";
    let (plain, secured) = (Gate::closed(), Gate::closed());
    let with = |gate: &Gate| {
        let state = gate.clone();
        |builder: ServerBuilder| settings(builder.state(state))
    };
    [
        (World::of(module, with(&plain)).await, plain),
        (World::secured(module, with(&secured)).await, secured),
    ]
}

#[actix_web::test]
async fn a_head_that_is_late_is_answered_with_408_at_the_first_request_and_at_later_ones() {
    for world in echoing(|builder| builder.head_deadline(SHORT)).await {
        for earlier in [0, 1, 3] {
            for start in ["G", "GET /mcp HTTP/1.1\r\nHost: a\r\n"] {
                let mut connection = world.raw().await;
                for _ in 0..earlier {
                    exchange(&world, &mut connection).await;
                }
                connection.write(start.as_bytes()).await;
                let answer = String::from_utf8(connection.ended().await).unwrap();
                assert!(answer.starts_with("HTTP/1.1 408 "), "{earlier}: {answer}");
                assert!(answer.contains("connection: close\r\n"), "{answer}");
            }
        }
    }
}

#[actix_web::test]
async fn a_head_of_more_than_32_kib_is_answered_with_431_at_the_first_request_and_at_later_ones() {
    for world in echoing(|builder| builder).await {
        for earlier in [0, 2] {
            let mut connection = world.raw().await;
            for _ in 0..earlier {
                exchange(&world, &mut connection).await;
            }
            let long = format!("X: {}", "a".repeat(28 * 1024));
            connection
                .write(&request("GET", "/x", &[&world.host_line(), &long], b""))
                .await;
            assert_eq!(connection.reply().await.status, 404);
            let head = format!("GET /x HTTP/1.1\r\nX: {}", "a".repeat(40 * 1024));
            connection.write(head.as_bytes()).await;
            let answer = String::from_utf8(connection.ended().await).unwrap();
            assert!(answer.starts_with("HTTP/1.1 431 "), "{earlier}: {answer}");
        }
    }
}

#[actix_web::test]
async fn empty_lines_in_a_chunk_are_data_and_do_not_end_the_body() {
    for world in echoing(|builder| builder).await {
        let host = world.host_line();
        let ada = format!("Authorization: Bearer {}", world.ada());
        let ping = message("ping", json!({}));
        let padded = format!("{}{ping}", "\n\r\n\r\n".repeat(2_000));
        let body = [chunks(&[padded.as_bytes()]), b"".to_vec()].concat();
        let mut head = format!("POST /mcp HTTP/1.1\r\n{host}\r\n{ada}\r\n");
        head.push_str("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut connection = world.raw().await;
        for _ in 0..3 {
            connection.write(&[head.as_bytes(), &body].concat()).await;
            let reply = connection.reply().await;
            assert_eq!(
                reply.status,
                200,
                "{}",
                String::from_utf8_lossy(&reply.body)
            );
        }
    }
}

#[actix_web::test]
async fn a_head_in_time_is_answered_in_however_many_pieces_it_comes() {
    for world in echoing(|builder| builder.idle_limit(PATIENCE)).await {
        let bytes = request("GET", "/x", &[&world.host_line()], b"");
        let mut connection = world.raw().await;
        for at in 1..bytes.len() {
            let (first, second) = bytes.split_at(at);
            connection.write(first).await;
            connection.write(second).await;
            assert_eq!(connection.reply().await.status, 404, "{at}");
        }
    }
}

#[actix_web::test]
async fn a_connection_without_a_request_is_closed_at_the_idle_limit() {
    for world in echoing(|builder| builder.idle_limit(SHORT)).await {
        let mut silent = world.raw().await;
        assert_eq!(silent.ended().await, b"");
        // An empty line is not a request.
        silent = world.raw().await;
        silent.write(b"\r\n").await;
        assert_eq!(silent.ended().await, b"");
        let mut used = world.raw().await;
        exchange(&world, &mut used).await;
        assert_eq!(used.ended().await, b"");
    }
}

#[actix_web::test]
async fn no_limit_ends_a_call() {
    for (world, gate) in waiting(|builder| {
        builder
            .head_deadline(SHORT)
            .idle_limit(SHORT)
            .write_deadline(SHORT)
            .connection_age(SHORT)
    })
    .await
    {
        let mut calling = call(&world).await;
        eventually("the call waits", || gate.entered() == 1).await;
        for _ in 0..3 {
            // Waits for the idle limit.
            assert_eq!(world.raw().await.ended().await, b"");
        }
        gate.open();
        assert_eq!(calling.reply().await.status, 200);
    }
}

#[actix_web::test]
async fn a_client_that_takes_no_answers_is_read_no_further_and_closed_at_the_write_deadline() {
    for world in echoing(|builder| builder.write_deadline(SHORT)).await {
        let host = world.host_line();
        let ada = format!("Authorization: Bearer {}", world.ada());
        let json = "Content-Type: application/json";
        let ping = message("ping", json!({}));
        for (what, bytes) in [
            ("404", request("GET", "/x", &[&host], b"")),
            ("401", request("GET", "/mcp", &[&host], b"")),
            ("204", request("OPTIONS", "/mcp", &[&host], b"")),
            ("415", post("/mcp", &[&host], b"")),
            ("200", post("/mcp", &[&host, &ada, json], ping.as_bytes())),
            ("chunks", chunked(&[&host, &ada, json], &[ping.as_bytes()])),
        ] {
            let mut client = world.raw_small().await;
            let all = bytes.repeat(1 + MOST_TAKEN / bytes.len());
            let written = timeout(PATIENCE, client.stream().write_all(&all)).await;
            let written = written.unwrap_or_else(|_| panic!("{what}: the connection stays open"));
            assert!(
                written.is_err(),
                "{what}: the server took {} bytes",
                all.len()
            );
        }
        let mut next = world.raw().await;
        exchange(&world, &mut next).await;
    }
}

#[actix_web::test]
async fn requests_behind_a_call_in_flight_wait_in_the_socket() {
    for (world, gate) in waiting(|builder| builder).await {
        let host = world.host_line();
        for next in [
            request("GET", "/x", &[&host], b""),
            chunked(&[&host, "Content-Type: application/json"], &[b"{}"]),
        ] {
            let entered = gate.entered();
            let mut client = world.raw_small().await;
            let first = open_call(&host);
            client.write(&first).await;
            eventually("the call waits", || gate.entered() == entered + 1).await;
            let more = next.repeat(1 + MOST_TAKEN / next.len());
            // A server that reads on would take the data in a fraction of this time.
            let written = timeout(STALL, client.stream().write_all(&more)).await;
            assert!(written.is_err(), "the server took {} bytes", more.len());
        }
        gate.open();
    }
}

#[actix_web::test]
async fn a_client_that_hangs_up_cancels_its_call_though_it_sent_another() {
    for (world, gate) in waiting(|builder| builder).await {
        let host = world.host_line();
        let mut connection = world.raw().await;
        let params = json!({ "name": "wait_openly", "_meta": modern_meta() });
        let head = [
            &*host,
            "Content-Type: application/json",
            &format!("MCP-Protocol-Version: {MODERN}"),
            "Mcp-Method: tools/call",
            "Mcp-Name: wait_openly",
        ];
        let call = post("/mcp", &head, message("tools/call", params).as_bytes());
        connection.write(&[call.clone(), call].concat()).await;
        eventually("the first call waits", || gate.entered() == 1).await;
        connection.close().await;
        eventually("the call is dropped", || {
            gate.abandoned() == ["wait_openly"]
        })
        .await;
        assert_eq!(gate.entered(), 1);
    }
}

#[actix_web::test]
async fn an_old_connection_closes_with_its_next_answer() {
    for world in echoing(|builder| builder.connection_age(SHORT)).await {
        let mut connection = world.raw().await;
        loop {
            connection
                .write(&request("GET", "/x", &[&world.host_line()], b""))
                .await;
            let reply = connection.reply().await;
            assert_eq!(reply.status, 404);
            if reply
                .headers
                .get("connection")
                .is_some_and(|said| said == "close")
            {
                break;
            }
        }
        assert_eq!(connection.ended().await, b"");
    }
}

#[actix_web::test]
async fn at_the_total_limit_the_longest_idle_connection_is_closed() {
    for world in echoing(|builder| builder.connections(3).connections_per_network(3)).await {
        let mut connections = Vec::new();
        for _ in 0..3 {
            connections.push(used(&world).await);
        }
        // The second connection is the oldest now.
        exchange(&world, &mut connections[0]).await;
        let mut newest = used(&world).await;
        assert_eq!(connections[1].ended().await, b"");
        for open in [0, 2] {
            exchange(&world, &mut connections[open]).await;
        }
        exchange(&world, &mut newest).await;
    }
}

#[actix_web::test]
async fn at_the_limit_of_a_network_its_own_oldest_connection_is_closed() {
    for world in echoing(|builder| builder.connections(50).connections_per_network(2)).await {
        let mut other = used(&world).await;
        let mut connections = Vec::new();
        for _ in 0..3 {
            let mut connection = world.raw_from("127.0.0.9").await;
            exchange(&world, &mut connection).await;
            connections.push(connection);
        }
        assert_eq!(connections[0].ended().await, b"");
        exchange(&world, &mut connections[1]).await;
        exchange(&world, &mut connections[2]).await;
        exchange(&world, &mut other).await;
    }
}

#[actix_web::test]
async fn at_the_total_limit_the_network_with_the_most_connections_loses_one() {
    for world in echoing(|builder| builder.connections(8)).await {
        let mut other = used(&world).await;
        let mut flood = Vec::new();
        for round in 0..20 {
            let address = format!("127.0.0.{}", 10 + round % 3);
            let mut connection = world.raw_from(&address).await;
            exchange(&world, &mut connection).await;
            flood.push(connection);
        }
        exchange(&world, &mut other).await;
        for evicted in &mut flood[..13] {
            assert_eq!(evicted.ended().await, b"");
        }
    }
}

#[actix_web::test]
async fn if_every_connection_is_in_a_call_the_next_one_gets_503() {
    let [(world, gate), _] =
        waiting(|builder| builder.connections(2).connections_per_network(2)).await;
    let mut calls = Vec::new();
    for entered in 1..=2 {
        calls.push(call(&world).await);
        eventually("the call waits", || gate.entered() == entered).await;
    }
    for _ in 0..3 {
        let mut refused = world.raw().await;
        let reply = refused.reply().await;
        assert_eq!(reply.status, 503);
        assert_eq!(reply.headers["retry-after"], "1");
        assert_eq!(reply.headers["connection"], "close");
        assert_eq!(refused.ended().await, b"");
    }
    gate.open();
    for call in &mut calls {
        assert_eq!(call.reply().await.status, 200);
    }
    assert!(gate.abandoned().is_empty());
    let mut next = world.raw().await;
    exchange(&world, &mut next).await;
}

#[actix_web::test]
async fn a_connection_whose_body_does_not_come_is_closed_for_a_new_one() {
    for world in echoing(|builder| builder.connections(1)).await {
        let ada = format!("Authorization: Bearer {}", world.ada());
        let head = [&world.host_line(), "Content-Type: application/json", &ada];
        let bytes = post("/mcp", &head, b"{\"jsonrpc\"");
        let mut slow = used(&world).await;
        slow.write(&bytes[..bytes.len() - 1]).await;
        let mut next = world.raw().await;
        exchange(&world, &mut next).await;
        assert_eq!(slow.ended().await, b"");
    }
}

#[actix_web::test]
async fn a_body_is_requested_only_after_the_token_was_checked() {
    for world in echoing(|builder| builder.body_limit(1000)).await {
        let host = world.host_line();
        let good = format!("Authorization: Bearer {}", world.ada());
        let expired = TokenRequest::oauth("ada").expires_in(-3600);
        let bad = format!("Authorization: Bearer {}", world.mint(&expired));
        let (json, expect) = ("Content-Type: application/json", "Expect: 100-continue");
        let body = message("ping", json!({}));
        let length = format!("Content-Length: {}", body.len());
        for (status, head) in [
            (401, vec![&*host, expect, json, &length]),
            (401, vec![&*host, expect, json, &length, &bad]),
            (
                401,
                vec![&*host, expect, json, "Transfer-Encoding: chunked"],
            ),
            (403, vec!["Host: elsewhere", expect, json, &length, &good]),
            (
                413,
                vec![&*host, expect, json, &good, "Content-Length: 1001"],
            ),
            (415, vec![&*host, expect, &good, &length]),
        ] {
            let mut connection = world.raw().await;
            connection.write(&head_of("POST", "/mcp", &head)).await;
            // If the server sent 100, that would be the first reply.
            let reply = connection.reply().await;
            assert_eq!(reply.status, status, "{head:?}");
            assert_eq!(reply.headers["cache-control"], "no-store");
            connection.ended().await;
        }
        let mut connection = world.raw().await;
        for _ in 0..3 {
            let head = [&*host, expect, json, &length, &good];
            connection.write(&head_of("POST", "/mcp", &head)).await;
            assert_eq!(connection.reply().await.status, 100);
            connection.write(body.as_bytes()).await;
            assert_eq!(connection.reply().await.status, 200);
            let head = [&*host, expect, json, "Transfer-Encoding: chunked", &good];
            connection.write(&head_of("POST", "/mcp", &head)).await;
            assert_eq!(connection.reply().await.status, 100);
            connection.write(&chunks(&[body.as_bytes()])).await;
            assert_eq!(connection.reply().await.status, 200);
        }
        // A path that uses no body is answered at once.
        connection
            .write(&head_of("POST", "/x", &[&host, expect, &length]))
            .await;
        assert_eq!(connection.reply().await.status, 404);
    }
}

#[actix_web::test]
async fn random_pipelines_are_answered_in_order() {
    for world in echoing(|builder| builder).await {
        let ada = format!("Authorization: Bearer {}", world.ada());
        let host = world.host_line();
        let mut random = Random(0x5eed);
        for round in 0..300 {
            let mut sent = Vec::new();
            let mut expected = Vec::new();
            for id in 0..1 + random.below(12) {
                let (bytes, answer) = random.request(id, &host, &ada);
                sent.extend(bytes);
                expected.push(answer);
            }
            sent.extend(request("GET", "/x", &[&host, "Connection: close"], b""));
            let mut client = world.raw().await;
            let (mut reader, mut writer) = tokio::io::split(client.stream());
            let write = async {
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    let most = if random.below(2) == 0 { 40 } else { 4000 };
                    let (now, later) = rest.split_at(rest.len().min(1 + random.below(most)));
                    writer.write_all(now).await.unwrap();
                    tokio::task::yield_now().await;
                    rest = later;
                }
            };
            let mut received = Vec::new();
            let both = async { tokio::join!(write, reader.read_to_end(&mut received)) };
            let ((), read) = timeout(PATIENCE, both)
                .await
                .expect("no whole answer in time");
            read.unwrap();
            let mut rest = &received[..];
            for (at, expected) in expected.iter().enumerate() {
                let (answer, later) = split_answer(rest, expected.is_head);
                assert_eq!(answer.status, expected.status, "{round}.{at}");
                if let Some(id) = expected.id {
                    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
                    assert_eq!(answer["id"], id, "{round}.{at}");
                }
                rest = later;
            }
            let (last, rest) = split_answer(rest, false);
            assert_eq!((last.status, rest), (404, &b""[..]), "{round}");
        }
    }
}

#[actix_web::test]
async fn a_server_that_stops_closes_its_idle_connections() {
    for mut world in echoing(|builder| builder).await {
        let mut idle = used(&world).await;
        let mut silent = world.raw().await;
        let mut half = world.raw().await;
        half.write(b"GET /mc").await;
        let stopped = world.server.stop();
        for connection in [&mut idle, &mut silent, &mut half] {
            assert_eq!(connection.ended().await, b"");
        }
        timeout(PATIENCE, stopped).await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn a_server_mounted_in_an_application_has_the_same_limits() {
    let clerk = emulator().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = builder(&clerk)
        .tools_of("protocol::hold::tools")
        .url(format!("http://{address}"))
        .head_deadline(SHORT)
        .connections(8)
        .build()
        .await
        .unwrap();
    let mounted = server.clone();
    let application = move || {
        App::new()
            .route("/health", web::get().to(|| async { "ok" }))
            .configure(mounted.well_known())
            .configure(mounted.routes())
    };
    let http = server.listen(listener, application).unwrap();
    let (handle, running) = (http.handle(), actix_web::rt::spawn(http));
    let host = format!("Host: {address}");
    let get = |path: &str| request("GET", path, &[&host], b"");
    let mut late = Raw::connect(address).await;
    late.write(&get("/health")).await;
    assert_eq!(late.reply().await.body, b"ok");
    late.write(b"G").await;
    let answer = String::from_utf8(late.ended().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let mut connection = Raw::connect(address).await;
    for (path, status) in [
        ("/health", 200),
        ("/mcp", 401),
        ("/x", 404),
        ("/health", 200),
    ] {
        connection.write(&get(path)).await;
        assert_eq!(connection.reply().await.status, status, "{path}");
    }
    let mut others = Vec::new();
    for _ in 0..8 {
        let mut other = Raw::connect(address).await;
        other.write(&get("/health")).await;
        assert_eq!(other.reply().await.status, 200);
        others.push(other);
    }
    assert_eq!(connection.ended().await, b"", "the oldest gives way");
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}

/// The expected response to a request.
struct Expected {
    status: u16,
    id: Option<usize>,
    is_head: bool,
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

fn split_answer(bytes: &[u8], is_head: bool) -> (Answer, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, rest) = bytes.split_at(end.expect("an answer is missing") + 4);
    let head = str::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = if is_head {
        0
    } else {
        length.map_or(0, |length| length.parse().unwrap())
    };
    let (body, rest) = rest.split_at(length);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        Answer {
            status,
            body: body.to_vec(),
        },
        rest,
    )
}

/// Numbers that look random and are equal in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn request(&mut self, id: usize, host: &str, ada: &str) -> (Vec<u8>, Expected) {
        let head = [host, ada, "Content-Type: application/json"];
        let answer = |status| Expected {
            status,
            id: None,
            is_head: false,
        };
        let metadata = "/.well-known/oauth-protected-resource/mcp";
        // Blank lines in a body look like the end of a head.
        let text = "blank\n\nline\r\n\r\n".repeat(self.below(600));
        let params = json!({ "name": "echo", "arguments": { "text": text } });
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let body = format!("{{\n\n{}", &call.to_string()[1..]);
        match self.below(6) {
            0 => (head_of("GET", "/x", &[host]), answer(404)),
            1 => (head_of("GET", metadata, &[host]), answer(200)),
            2 => (
                head_of("HEAD", metadata, &[host]),
                Expected {
                    is_head: true,
                    ..answer(200)
                },
            ),
            3 => (head_of("OPTIONS", "/mcp", &[host]), answer(204)),
            4 => (
                post("/mcp", &head, body.as_bytes()),
                Expected {
                    id: Some(id),
                    ..answer(200)
                },
            ),
            _ => {
                let mut parts = Vec::new();
                let mut rest = body.as_bytes();
                while !rest.is_empty() {
                    let (part, later) = rest.split_at(rest.len().min(1 + self.below(900)));
                    parts.push(part);
                    rest = later;
                }
                let expected = Expected {
                    id: Some(id),
                    ..answer(200)
                };
                (chunked(&head, &parts), expected)
            }
        }
    }
}

/// A connection after its first exchange.
async fn used(world: &World) -> Raw {
    let mut connection = world.raw().await;
    exchange(world, &mut connection).await;
    connection
}

async fn exchange(world: &World, connection: &mut Raw) {
    connection
        .write(&request("GET", "/x", &[&world.host_line()], b""))
        .await;
    assert_eq!(connection.reply().await.status, 404);
}

/// Sends a call and does not read the response.
async fn call(world: &World) -> Raw {
    let mut connection = world.raw().await;
    connection.write(&open_call(&world.host_line())).await;
    connection
}

/// A call of a public tool.
fn open_call(host: &str) -> Vec<u8> {
    let body = message("tools/call", json!({ "name": "wait_openly" }));
    let head = [host, "Content-Type: application/json"];
    post("/mcp", &head, body.as_bytes())
}

fn head_of(method: &str, target: &str, lines: &[&str]) -> Vec<u8> {
    format!(
        "{method} {target} HTTP/1.1\r\n{}\r\n\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

fn chunked(lines: &[&str], parts: &[&[u8]]) -> Vec<u8> {
    let lines = [lines, &["Transfer-Encoding: chunked"]].concat();
    [head_of("POST", "/mcp", &lines), chunks(parts)].concat()
}

fn chunks(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

const SHORT: Duration = Duration::from_millis(150);
const STALL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);
/// The maximal number of bytes that the buffers of both sockets take. A server that reads on would
/// take far more.
const MOST_TAKEN: usize = 4 << 20;
