//! HTTP/2 over TLS: real exchanges, and the limits that a hostile client of HTTP/2 meets.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::time::Duration;

use actix_web::{App, web};
use clerk_emulator::TokenRequest;
use h2::client::{self, SendRequest};
use h2::{Reason, RecvStream};
use http::{Method, Request};
use mcp_auth::ServerBuilder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, PREFACE,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame,
};
use crate::parked::Gate;
use crate::process::Process;
use crate::raw::{Raw, request};
use crate::secured::Secured;
use crate::support::{MODERN, World, builder, emulator, eventually, message, modern_meta};

mod tools {
    use mcp_auth::{Context, mcp_tool};

    /// Return what was given.
    #[mcp_tool]
    async fn echo(text: String) -> String {
        text
    }

    /// Delete a document.
    #[mcp_tool(permission = "org:documents:delete")]
    async fn delete() -> &'static str {
        "deleted"
    }

    /// Report some progress.
    #[mcp_tool]
    async fn report(cx: &Context) -> &'static str {
        for step in 1..=3 {
            cx.progress(step, 3, None);
            tokio::task::yield_now().await;
        }
        "reported"
    }
}

async fn echoing(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    World::secured("protocol::http2::tools", settings).await
}

/// A server whose only tools wait.
async fn waiting(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (World, Gate) {
    let gate = Gate::closed();
    let state = gate.clone();
    let builder = |builder: ServerBuilder| settings(builder.state(state));
    (World::secured("protocol::parked", builder).await, gate)
}

/// A client of HTTP/2 that follows the protocol.
#[derive(Clone)]
struct Client {
    requests: SendRequest<bytes::Bytes>,
    authority: String,
}

/// A response that was read to its end.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Client {
    async fn connect(world: &World) -> Self {
        Self::at(world.certificate(), world.server.address).await
    }

    async fn at(secured: &Secured, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let stream = secured.connect_for(stream, &[b"h2", b"http/1.1"]);
        let stream = stream.await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (requests, connection) = client::handshake(stream).await.unwrap();
        actix_web::rt::spawn(async move {
            // The tests look at the ends of the requests.
            let _ = connection.await;
        });
        Self {
            requests,
            authority: address.to_string(),
        }
    }

    fn head(&self, method: Method, path: &str) -> http::request::Builder {
        let uri = format!("https://{}{path}", self.authority);
        Request::builder().method(method).uri(uri)
    }

    /// A POST of a message to the endpoint, with the headers of a client of MCP 2025-11-25.
    fn post(&self, token: &str) -> http::request::Builder {
        self.head(Method::POST, "/mcp")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
    }

    async fn send(
        &self,
        head: http::request::Builder,
        body: impl Into<Vec<u8>>,
    ) -> Result<Answer, h2::Error> {
        let body: bytes::Bytes = body.into().into();
        let mut requests = self.requests.clone().ready().await?;
        let request = head.body(()).unwrap();
        let (response, mut stream) = requests.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        let response = timeout(PATIENCE, response).await.expect("no response")?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: read(body).await?,
        })
    }

    async fn call(&self, token: &str, tool: &str, arguments: Value) -> Answer {
        let params = json!({ "name": tool, "arguments": arguments });
        let sent = self.send(self.post(token), message("tools/call", params));
        sent.await.unwrap()
    }

    async fn get(&self, path: &str) -> Result<Answer, h2::Error> {
        self.send(self.head(Method::GET, path), Vec::new()).await
    }
}

async fn read(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut read = Vec::new();
    while let Some(chunk) = timeout(PATIENCE, body.data()).await.expect("no data") {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// A client that sends frames as it likes. The server's preface is not read yet.
async fn hostile(world: &World) -> Frames<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(world.server.address).await.unwrap();
    let stream = world.certificate().connect_for(stream, &[b"h2"]).await;
    let mut frames = Frames::new(stream.unwrap());
    frames.write(PREFACE).await;
    frames.write(&frame(SETTINGS, 0, 0, &[])).await;
    frames
}

/// A client whose sockets have small buffers.
async fn hostile_small(secured: &Secured, address: SocketAddr) -> Frames<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let mut frames = Frames::new(secured.connect_for(stream, &[b"h2"]).await.unwrap());
    frames.write(PREFACE).await;
    frames.write(&frame(SETTINGS, 0, 0, &[])).await;
    frames
}

/// The head of a GET.
fn get(authority: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", authority),
        (":path", path),
    ])
}

/// The head of a call, and its body. The tool waits.
fn parked(authority: &str) -> (Vec<u8>, Vec<u8>) {
    let params = json!({ "name": "wait_openly", "_meta": modern_meta() });
    let head = block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", authority),
        (":path", "/mcp"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "wait_openly"),
    ]);
    (head, message("tools/call", params).into_bytes())
}

/// The frames of a call on this stream.
fn call_on(stream: u32, (head, body): &(Vec<u8>, Vec<u8>)) -> Vec<u8> {
    [
        frame(HEADERS, END_HEADERS, stream, head),
        frame(DATA, END_STREAM, stream, body),
    ]
    .concat()
}

#[actix_web::test]
async fn a_client_lists_and_calls_gets_a_stream_and_is_denied() {
    let world = echoing(|builder| builder).await;
    let client = Client::connect(&world).await;
    let (ada, grace) = (world.ada(), world.grace());
    for _ in 0..3 {
        let list = client.send(client.post(&ada), message("tools/list", json!({})));
        let list = list.await.unwrap();
        assert_eq!(list.status, 200, "{}", list.text());
        assert_eq!(list.json()["result"]["tools"].as_array().unwrap().len(), 3);
        let echoed = client.call(&ada, "echo", json!({ "text": "é" })).await;
        assert_eq!(echoed.json()["result"]["content"][0]["text"], "é");
        let denied = client.call(&grace, "delete", json!({})).await;
        assert_eq!(denied.json()["result"]["isError"], true);
        let params = json!({ "name": "report", "_meta": { "progressToken": 1 } });
        let streamed = client.send(client.post(&ada), message("tools/call", params));
        let streamed = streamed.await.unwrap();
        assert_eq!(streamed.headers["content-type"], "text/event-stream");
        assert!(streamed.text().contains("notifications/progress"));
        assert!(streamed.text().contains("reported"));
    }
    let anonymous = client.get("/mcp").await.unwrap();
    assert_eq!(anonymous.status, 401);
    let challenge = anonymous.headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("resource_metadata=\"https://"),
        "{challenge}"
    );
    assert!(anonymous.headers.contains_key("date"));
    assert_eq!(client.get("/x").await.unwrap().status, 404);
    let options = client.send(client.head(Method::OPTIONS, "/mcp"), Vec::new());
    assert_eq!(options.await.unwrap().status, 204);
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    let head = client.send(client.head(Method::HEAD, metadata), Vec::new());
    let head = head.await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    let get = client.get(metadata).await.unwrap();
    assert_eq!(get.headers["content-length"], get.body.len().to_string());
    assert_eq!(
        head.headers["content-length"],
        get.headers["content-length"]
    );
    let foreign = Request::builder().uri("https://evil.example/mcp");
    assert_eq!(client.send(foreign, Vec::new()).await.unwrap().status, 403);
}

#[actix_web::test]
async fn the_client_chooses_between_http_1_and_http_2() {
    let world = echoing(|builder| builder).await;
    for (offered, agreed) in [
        (&[&b"http/1.1"[..]][..], Some(&b"http/1.1"[..])),
        (&[], None),
    ] {
        let stream = TcpStream::connect(world.server.address).await.unwrap();
        let stream = world.certificate().connect_for(stream, offered);
        let stream = stream.await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        let mut connection = Raw::of(stream);
        let get = request("GET", "/x", &[&world.host_line()], b"");
        connection.write(&get).await;
        assert_eq!(connection.reply().await.status, 404);
    }
    let stream = TcpStream::connect(world.server.address).await.unwrap();
    let other = world.certificate().connect_for(stream, &[b"spdy/3"]).await;
    assert!(other.is_err());
}

#[actix_web::test]
async fn an_application_of_ones_own_is_served_over_http_2() {
    let secured = Secured::new();
    let clerk = emulator().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = secured.apply(builder(&clerk));
    let server = server.tools_of("protocol::http2::tools");
    let server = server.url(format!("https://{address}")).build();
    let server = server.await.unwrap();
    let mounted = server.clone();
    let application = move || {
        let echo = |body: web::Bytes| async move { body };
        App::new()
            .route("/echo", web::post().to(echo))
            .configure(mounted.routes())
    };
    let http = server.listen(listener, application).unwrap();
    let (handle, running) = (http.handle(), actix_web::rt::spawn(http));
    let client = Client::at(&secured, address).await;
    let echoed = client.send(client.head(Method::POST, "/echo"), "a body");
    assert_eq!(echoed.await.unwrap().text(), "a body");
    assert_eq!(client.get("/mcp").await.unwrap().status, 401);
    assert_eq!(client.get("/x").await.unwrap().status, 404);
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}

#[actix_web::test]
async fn requests_of_one_connection_run_at_the_same_time() {
    let (world, gate) = waiting(|builder| builder).await;
    let client = Client::connect(&world).await;
    let params = json!({ "name": "wait_openly" });
    let call = || {
        let head = client.head(Method::POST, "/mcp");
        let head = head.header("content-type", "application/json");
        client.send(head, message("tools/call", params.clone()))
    };
    let calls = futures_util::future::join_all((0..8).map(|_| call()));
    let open = async {
        eventually("all calls wait", || gate.entered() == 8).await;
        assert_eq!(client.get("/x").await.unwrap().status, 404);
        gate.open();
    };
    let (answers, ()) = tokio::join!(calls, open);
    for answer in answers {
        assert_eq!(answer.unwrap().status, 200);
    }
}

#[actix_web::test]
async fn a_long_body_and_a_long_response_arrive_whole() {
    let world = echoing(|builder| builder).await;
    let client = Client::connect(&world).await;
    let text: String = ('a'..='z').cycle().take(3_000_000).collect();
    let params = json!({ "name": "echo", "arguments": { "text": text } });
    let body: bytes::Bytes = message("tools/call", params).into();
    let mut requests = client.requests.clone().ready().await.unwrap();
    let head = client.post(&world.ada()).body(()).unwrap();
    let (response, mut stream) = requests.send_request(head, false).unwrap();
    let send = async {
        let mut rest = body;
        while !rest.is_empty() {
            stream.reserve_capacity(rest.len());
            let room = futures_util::future::poll_fn(|cx| stream.poll_capacity(cx));
            let room = room.await.unwrap().unwrap();
            let piece = rest.split_to(room.min(rest.len()));
            stream.send_data(piece, rest.is_empty()).unwrap();
        }
    };
    let (response, ()) = tokio::join!(response, send);
    let body = read(response.unwrap().into_body()).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["result"]["content"][0]["text"], *text);
}

#[actix_web::test]
async fn a_body_is_requested_only_after_the_token_was_checked() {
    let world = echoing(|builder| builder).await;
    let client = Client::connect(&world).await;
    let expired = TokenRequest::oauth("ada").expires_in(-3600);
    for (token, status) in [(world.ada(), 100), (world.mint(&expired), 401)] {
        let mut requests = client.requests.clone().ready().await.unwrap();
        let head = client.post(&token).header("expect", "100-continue");
        let (mut response, mut stream) = requests
            .send_request(head.body(()).unwrap(), false)
            .unwrap();
        if status == 100 {
            let informed = futures_util::future::poll_fn(|cx| response.poll_informational(cx));
            let informed = timeout(PATIENCE, informed).await.unwrap().unwrap().unwrap();
            assert_eq!(informed.status(), 100);
            stream
                .send_data(message("ping", json!({})).into(), true)
                .unwrap();
            assert_eq!(response.await.unwrap().status(), 200);
        } else {
            assert_eq!(response.await.unwrap().status(), status);
        }
    }
}

#[actix_web::test]
async fn a_request_that_the_client_cancels_drops_its_call_and_no_other() {
    let (world, gate) = waiting(|builder| builder).await;
    let mut frames = hostile(&world).await;
    let call = parked(&world.server.address.to_string());
    for stream in [1, 3] {
        frames.write(&call_on(stream, &call)).await;
    }
    eventually("both calls wait", || gate.entered() == 2).await;
    frames
        .write(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()))
        .await;
    eventually("one call is dropped", || gate.abandoned().len() == 1).await;
    gate.open();
    frames.until(HEADERS, Some(3)).await;
    assert_eq!(gate.passed().len(), 1);
    // Closing the connection drops all calls.
    let (world, gate) = waiting(|builder| builder).await;
    let mut frames = hostile(&world).await;
    let call = parked(&world.server.address.to_string());
    for stream in [1, 3] {
        frames.write(&call_on(stream, &call)).await;
    }
    eventually("both calls wait", || gate.entered() == 2).await;
    drop(frames);
    eventually("both calls are dropped", || gate.abandoned().len() == 2).await;
}

#[actix_web::test]
async fn requests_beyond_the_limit_of_a_connection_are_refused() {
    let (world, gate) = waiting(|builder| builder.requests_per_connection(3)).await;
    let mut frames = hostile(&world).await;
    let call = parked(&world.server.address.to_string());
    // A client that sends more would ignore the window of the connection.
    for number in 0..150 {
        frames.write(&call_on(2 * number + 1, &call)).await;
    }
    // A request that the server reads after the first calls have ended is not refused.
    let mut refused = BTreeSet::new();
    while refused.len() < 147 {
        let reset = frames.until(RST_STREAM, None).await;
        // The body of a refused request can arrive when the server has forgotten the stream.
        let codes = [Reason::REFUSED_STREAM, Reason::STREAM_CLOSED].map(u32::from);
        assert!(codes.contains(&reset.code()), "{}", reset.code());
        refused.insert(reset.stream);
    }
    eventually("the first calls wait", || gate.entered() == 3).await;
    gate.open();
    for _ in 0..3 {
        frames.until(HEADERS, None).await;
    }
    assert_eq!(gate.entered(), 3);
}

#[actix_web::test]
async fn of_a_thousand_requests_at_once_a_hundred_are_in_flight() {
    let (world, gate) = waiting(|builder| builder).await;
    let mut frames = hostile(&world).await;
    let (head, body) = parked(&world.server.address.to_string());
    for number in 0..1_000 {
        let opened = frame(HEADERS, END_HEADERS, 2 * number + 1, &head);
        frames.write(&opened).await;
    }
    let mut refused = BTreeSet::new();
    while refused.len() < 900 {
        let reset = frames.until(RST_STREAM, None).await;
        assert_eq!(reset.code(), u32::from(Reason::REFUSED_STREAM));
        refused.insert(reset.stream);
    }
    let accepted = (0..1_000).map(|number| 2 * number + 1);
    for stream in accepted.filter(|stream| !refused.contains(stream)) {
        frames.write(&frame(DATA, END_STREAM, stream, &body)).await;
    }
    eventually("the other calls wait", || gate.entered() > 0).await;
    gate.open();
    assert!(gate.entered() <= 100);
}

#[actix_web::test]
async fn each_further_request_in_flight_counts_as_a_connection() {
    let (world, gate) = waiting(|builder| builder.connections(4).connections_per_network(4)).await;
    let mut frames = hostile(&world).await;
    let call = parked(&world.server.address.to_string());
    for number in 0..4 {
        frames.write(&call_on(2 * number + 1, &call)).await;
    }
    eventually("four calls wait", || gate.entered() == 4).await;
    // A fifth request on the connection, and another connection.
    frames.write(&call_on(9, &call)).await;
    let refused = frames.until(HEADERS, Some(9)).await;
    assert_eq!(refused.flags & END_STREAM, END_STREAM);
    let other = TcpStream::connect(world.server.address).await.unwrap();
    assert!(world.certificate().connect(other).await.is_err());
    assert_eq!(gate.entered(), 4);
    gate.open();
    for number in 0..4 {
        frames.until(HEADERS, Some(2 * number + 1)).await;
    }
    // The places are free again.
    let client = Client::connect(&world).await;
    assert_eq!(client.get("/x").await.unwrap().status, 404);
}

#[actix_web::test]
async fn a_request_whose_body_does_not_come_ends_for_a_new_connection() {
    let world = echoing(|builder| builder.connections(3).connections_per_network(3)).await;
    let mut frames = hostile(&world).await;
    let authority = world.server.address.to_string();
    let head = block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", &authority),
        (":path", "/mcp"),
        ("content-type", "application/json"),
        ("content-length", "100"),
        ("authorization", &format!("Bearer {}", world.ada())),
    ]);
    for stream in [1, 3, 5] {
        frames
            .write(&frame(HEADERS, END_HEADERS, stream, &head))
            .await;
    }
    // The fourth request is refused if the three requests have their places.
    frames.write(&frame(HEADERS, END_HEADERS, 7, &head)).await;
    let ended = frames.until(RST_STREAM, None).await;
    assert_eq!(ended.code(), u32::from(Reason::REFUSED_STREAM));
    let mut next = world.raw().await;
    next.write(&request("GET", "/x", &[&world.host_line()], b""))
        .await;
    assert_eq!(next.reply().await.status, 404);
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_connection_without_a_request_gets_goaway_at_the_idle_limit() {
    let world = echoing(|builder| builder.idle_limit(SHORT)).await;
    let mut silent = hostile(&world).await;
    let goaway = silent.until(GOAWAY, None).await;
    assert_eq!(goaway.payload, [0; 8]);
    silent.ended().await;
    let mut used = hostile(&world).await;
    let head = get(&world.server.address.to_string(), "/x");
    used.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head))
        .await;
    let goaway = used.until(GOAWAY, None).await;
    assert_eq!(goaway.payload, [0, 0, 0, 1, 0, 0, 0, 0]);
    used.ended().await;
    // Pings and a part of a frame are no request.
    let mut pinging = hostile(&world).await;
    pinging.write(&frame(PING, 0, 0, &[0; 8])).await;
    pinging.write(&[0, 0, 9, HEADERS]).await;
    pinging.until(GOAWAY, None).await;
    pinging.ended().await;
}

#[actix_web::test]
async fn a_preface_that_is_late_closes_the_connection() {
    let world = echoing(|builder| builder.head_deadline(SHORT)).await;
    for begun in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let stream = TcpStream::connect(world.server.address).await.unwrap();
        let stream = world.certificate().connect_for(stream, &[b"h2"]).await;
        let mut frames = Frames::new(stream.unwrap());
        frames.write(begun).await;
        frames.ended().await;
    }
}

#[actix_web::test]
async fn an_old_connection_gets_goaway_and_its_calls_go_on() {
    let (world, gate) = waiting(|builder| builder.connection_age(SHORT)).await;
    let mut frames = hostile(&world).await;
    let authority = world.server.address.to_string();
    frames.write(&call_on(1, &parked(&authority))).await;
    eventually("the call waits", || gate.entered() == 1).await;
    let head = get(&authority, "/x");
    let mut stream = 3;
    let goaway = loop {
        frames
            .write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head))
            .await;
        stream += 2;
        let next = frames.next().await.unwrap();
        if next.kind == GOAWAY {
            break next;
        }
    };
    assert_eq!(goaway.code_of_goaway(), 0);
    gate.open();
    frames.until(HEADERS, Some(1)).await;
    frames.answer_pings().await;
}

#[actix_web::test]
async fn a_server_that_stops_lets_calls_end_and_closes_idle_connections() {
    let (mut world, gate) = waiting(|builder| builder).await;
    let mut idle = hostile(&world).await;
    let mut calling = hostile(&world).await;
    let authority = world.server.address.to_string();
    idle.write(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &get(&authority, "/x"),
    ))
    .await;
    idle.until(HEADERS, Some(1)).await;
    calling.write(&call_on(1, &parked(&authority))).await;
    eventually("the call waits", || gate.entered() == 1).await;
    let stopped = world.server.stop();
    idle.until(GOAWAY, None).await;
    idle.ended().await;
    calling.until(GOAWAY, None).await;
    gate.open();
    calling.until(HEADERS, Some(1)).await;
    calling.ended().await;
    timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

#[actix_web::test]
async fn rapid_resets_close_the_connection() {
    let (world, gate) = waiting(|builder| builder).await;
    let call = parked(&world.server.address.to_string());
    let mut frames = hostile(&world).await;
    for number in 0..10_000 {
        let stream = 2 * number + 1;
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        let bytes = [call_on(stream, &call), reset].concat();
        if !frames.try_write(&bytes).await {
            break;
        }
    }
    frames.ended().await;
    let entered = gate.entered();
    assert!(entered <= 250, "{entered} calls began");
    eventually("all calls are dropped", || {
        gate.abandoned().len() == entered
    })
    .await;
}

#[actix_web::test]
async fn resets_after_the_call_began_close_the_connection() {
    let (world, gate) = waiting(|builder| builder).await;
    let call = parked(&world.server.address.to_string());
    let mut frames = hostile(&world).await;
    for number in 0..1_000 {
        let (stream, before) = (2 * number + 1, gate.entered());
        if !frames.try_write(&call_on(stream, &call)).await {
            break;
        }
        // The server may have closed the connection, so the call may never begin.
        let begun = async {
            while gate.entered() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if timeout(STALL, begun).await.is_err() {
            break;
        }
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        frames.try_write(&reset).await;
    }
    let goaway = frames.until(GOAWAY, None).await;
    assert_eq!(
        goaway.code_of_goaway(),
        u32::from(Reason::ENHANCE_YOUR_CALM)
    );
    frames.ended().await;
    assert!(gate.entered() <= 110, "{} calls began", gate.entered());
}

#[actix_web::test]
async fn floods_of_frames_without_a_use_close_the_connection() {
    let world = echoing(|builder| builder).await;
    let authority = world.server.address.to_string();
    let long = frame(CONTINUATION, 0, 1, &[0; 16_000]);
    let empty = frame(CONTINUATION, 0, 1, &[]);
    let opened = frame(HEADERS, 0, 1, &get(&authority, "/x"));
    let open = frame(
        HEADERS,
        END_HEADERS,
        1,
        &block(&[
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", &authority),
            (":path", "/mcp"),
            ("content-type", "application/json"),
            ("authorization", &format!("Bearer {}", world.ada())),
        ]),
    );
    for (what, first, flood) in [
        ("CONTINUATION", &opened, &long),
        ("empty CONTINUATION", &opened, &empty),
        ("PING", &vec![], &frame(PING, 0, 0, &[7; 8])),
        (
            "SETTINGS",
            &vec![],
            &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]),
        ),
        (
            "WINDOW_UPDATE",
            &open,
            &frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()),
        ),
        ("PRIORITY", &vec![], &frame(2, 0, 1, &[0, 0, 0, 3, 9])),
        ("empty DATA", &open, &frame(DATA, 0, 1, &[])),
        ("unknown", &vec![], &frame(0xBE, 0, 0, &[0; 100])),
        (
            "RST_STREAM of idle streams",
            &open,
            &frame(RST_STREAM, 0, 3, &[0; 4]),
        ),
    ] {
        for reads in [false, true] {
            eprintln!("{what}, reading: {reads}");
            let mut frames = hostile(&world).await;
            frames.write(first).await;
            let flood = flood.repeat(1 + 16_384 / flood.len());
            let mut sent = 0;
            while sent < MOST_TAKEN && frames.try_write(&flood).await {
                sent += flood.len();
                if reads {
                    frames.read_some().await;
                }
            }
            frames.ended().await;
        }
    }
    let client = Client::connect(&world).await;
    assert_eq!(client.get("/x").await.unwrap().status, 404);
}

#[actix_web::test]
async fn a_head_of_more_than_32_kib_gets_no_service() {
    let world = echoing(|builder| builder).await;
    let client = Client::connect(&world).await;
    let head = client
        .head(Method::GET, "/x")
        .header("x", "a".repeat(28 * 1024));
    assert_eq!(client.send(head, Vec::new()).await.unwrap().status, 404);
    let mut frames = hostile(&world).await;
    let long = "a".repeat(40 * 1024);
    let head = block(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", &world.server.address.to_string()),
        (":path", "/mcp"),
        ("x", &long),
    ]);
    let (first, rest) = head.split_at(16_000);
    frames.write(&frame(HEADERS, END_STREAM, 1, first)).await;
    let (second, third) = rest.split_at(16_000);
    frames.write(&frame(CONTINUATION, 0, 1, second)).await;
    frames
        .write(&frame(CONTINUATION, END_HEADERS, 1, third))
        .await;
    // 431 has no body, and a response of the service would have a body or a challenge.
    let answer = frames.until(HEADERS, Some(1)).await;
    assert_eq!(answer.flags & END_STREAM, END_STREAM);
    assert!(answer.payload.len() < 20, "{answer:?}");
}

#[actix_web::test]
async fn responses_that_the_client_has_no_window_for_end_at_the_write_deadline() {
    let world = echoing(|builder| builder.write_deadline(SHORT).idle_limit(LONG)).await;
    let mut frames = hostile(&world).await;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    frames
        .write(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]))
        .await;
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    let head = get(&world.server.address.to_string(), metadata);
    let mut open = BTreeSet::new();
    for number in 0..100 {
        let stream = 2 * number + 1;
        frames
            .write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head))
            .await;
        open.insert(stream);
    }
    while !open.is_empty() {
        let reset = frames.until(RST_STREAM, None).await;
        assert!(open.remove(&reset.stream), "{reset:?}");
    }
    // The connection can still be used.
    let head = get(&world.server.address.to_string(), "/x");
    frames
        .write(&frame(HEADERS, END_HEADERS | END_STREAM, 201, &head))
        .await;
    frames.until(HEADERS, Some(201)).await;
}

#[actix_web::test]
async fn a_client_that_reads_nothing_is_read_no_further_and_closed_at_the_write_deadline() {
    let world = echoing(|builder| builder.write_deadline(SHORT).idle_limit(LONG)).await;
    let authority = world.server.address.to_string();
    for path in ["/x", "/mcp", "/.well-known/oauth-protected-resource/mcp"] {
        let mut frames = hostile_small(world.certificate(), world.server.address).await;
        // The window of the connection is the largest possible window.
        let window = (0x7FFF_FFFF_u32 - 65_535).to_be_bytes();
        frames.write(&frame(WINDOW_UPDATE, 0, 0, &window)).await;
        let head = get(&authority, path);
        let mut sent = 0;
        let mut stream = 1;
        let closed = async {
            loop {
                let bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head);
                if !frames.try_write(&bytes).await {
                    break;
                }
                stream += 2;
                sent += bytes.len();
                assert!(sent < MOST_TAKEN, "{path}: the server took {sent} bytes");
            }
        };
        timeout(PATIENCE, closed)
            .await
            .expect("the connection stays open");
    }
}

#[actix_web::test]
async fn one_hostile_client_takes_a_bounded_memory() {
    let secured = Secured::new();
    let (chain, key) = (secured.path("chain.pem"), secured.path("key.pem"));
    let process = Process::start(&[
        ("PORT", "0"),
        ("MCP_TLS_CERT", chain.to_str().unwrap()),
        ("MCP_TLS_KEY", key.to_str().unwrap()),
    ]);
    let endpoint = process.fact("endpoint");
    let authority = endpoint
        .trim_start_matches("https://")
        .trim_end_matches("/mcp");
    let address = authority.parse().unwrap();
    let metadata = get(authority, "/.well-known/oauth-protected-resource/mcp");
    let body = block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", authority),
        (":path", "/x"),
    ]);
    // The first connections fill the buffers that the process keeps.
    let warm = async |first: &[u8]| {
        for _ in 0..4 {
            let mut frames = hostile_small(&secured, address).await;
            frames.write(first).await;
            frames.until(HEADERS, None).await;
        }
    };
    warm(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &metadata)).await;
    let before = process.resident_kib();
    let mut held = Vec::new();
    for attack in 0..5 {
        for _ in 0..4 {
            let mut frames = hostile_small(&secured, address).await;
            let window: &[u8] = &[0, 4, 0, 0, 0, 0];
            if attack == 0 {
                frames.write(&frame(SETTINGS, 0, 0, window)).await;
            }
            let mut sent = 0;
            for stream in (1..40_001).step_by(2) {
                let bytes = match attack {
                    // Responses that never fit, and responses that are never read.
                    0 | 1 => frame(HEADERS, END_HEADERS | END_STREAM, stream, &metadata),
                    2 => frame(PING, 0, 0, &[7; 8]),
                    3 => [
                        frame(HEADERS, END_HEADERS | END_STREAM, stream, &metadata),
                        frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
                    ]
                    .concat(),
                    // Bodies that are not read, because the path has no use for them.
                    _ => [
                        frame(HEADERS, END_HEADERS, stream, &body),
                        frame(DATA, 0, stream, &[0; 600]),
                    ]
                    .concat(),
                };
                sent += bytes.len();
                let written = timeout(STALL, frames.try_write(&bytes)).await;
                if written != Ok(true) {
                    break;
                }
            }
            assert!(sent < MOST_TAKEN, "{attack}: the server took {sent} bytes");
            held.push(frames);
        }
    }
    if let (Some(before), Some(after)) = (before, process.resident_kib()) {
        let each = after.saturating_sub(before) / held.len();
        assert!(each < 1024, "{each} KiB for each connection");
    }
    let mut good = pin!(hostile_small(&secured, address)).await;
    good.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &metadata))
        .await;
    good.until(HEADERS, Some(1)).await;
    let _ = good.stream().shutdown().await;
    let mut rest = Vec::new();
    let _ = good.stream().read_to_end(&mut rest).await;
}

const SHORT: Duration = Duration::from_millis(300);
const STALL: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);
/// More bytes than the buffers of both sockets take, which Linux lets grow to 36 MiB. A server that does not stop to read
/// would take more bytes.
const MOST_TAKEN: usize = 64 << 20;
