//! The shares of callers in bodies, calls and threads: no caller, with or without a token, can take
//! all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clerk_emulator::TokenRequest;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::parked::Gate;
use crate::raw::Raw;
use crate::reply::Reply;
use crate::support::{ERAS, Era, LEGACY, MODERN, World, eventually, message, modern_meta};

mod tools {
    use std::sync::{Arc, Condvar, Mutex};

    use mcp_auth::{State, mcp_tool};

    /// Blocks threads until it is opened.
    #[derive(Clone, Debug, Default)]
    pub(super) struct Latch(Arc<(Mutex<(usize, bool)>, Condvar)>);

    impl Latch {
        pub(super) fn entered(&self) -> usize {
            self.0.0.lock().unwrap().0
        }

        pub(super) fn open(&self) {
            self.0.0.lock().unwrap().1 = true;
            self.0.1.notify_all();
        }

        fn pass(&self) {
            let (state, changed) = &*self.0;
            let mut state = state.lock().unwrap();
            state.0 += 1;
            while !state.1 {
                state = changed.wait(state).unwrap();
            }
        }
    }

    /// Block a thread.
    #[mcp_tool]
    fn block(latch: &State<Latch>) -> &'static str {
        latch.pass();
        "passed"
    }

    /// Block a thread, for everybody.
    #[mcp_tool(public)]
    fn block_openly(latch: &State<Latch>) -> &'static str {
        latch.pass();
        "passed"
    }

    /// Answer on a thread.
    #[mcp_tool(public)]
    fn answer() -> &'static str {
        "answered"
    }
}

const MIB: usize = 1024 * 1024;

/// The head of a POST with this token and with this header for the length of the body.
fn head(world: &World, token: &str, framing: &str) -> Vec<u8> {
    let host = world.host_line();
    let head = format!(
        "POST /mcp HTTP/1.1\r\n{host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         MCP-Protocol-Version: {LEGACY}\r\n{framing}\r\n\r\n"
    );
    head.into_bytes()
}

/// A call of `who_am_i` that blanks extend to this number of bytes.
fn call_of(bytes: usize) -> Vec<u8> {
    let mut body =
        message("tools/call", json!({ "name": "who_am_i", "arguments": {} })).into_bytes();
    body.resize(bytes, b' ');
    body
}

/// Sends the head of a body of this number of bytes. Returns the connection when `go` says so,
/// unless the request was refused before.
async fn announce(
    world: &World,
    token: &str,
    bytes: usize,
    mut go: watch::Receiver<bool>,
    refused: &AtomicUsize,
) -> Option<Raw> {
    let mut connection = world.raw().await;
    let framing = format!("Content-Length: {bytes}");
    connection.write(&head(world, token, &framing)).await;
    tokio::select! {
        reply = connection.reply() => {
            assert_eq!(reply.expect_unavailable(), 1);
            refused.fetch_add(1, Ordering::SeqCst);
            None
        }
        _ = go.wait_for(|go| *go) => Some(connection),
    }
}

#[actix_web::test]
async fn bodies_of_one_user_beyond_their_share_are_refused_before_they_are_read() {
    let world = World::new().await;
    let (ada, grace) = (world.ada(), world.grace());
    let (open, go) = watch::channel(false);
    let refused = AtomicUsize::new(0);
    let (ada, refused) = (&*ada, &refused);
    // The share of a user is 16 MiB, so there is room for four bodies of 4 MiB, from any of the
    // user's clients.
    let announced = join_all((0..40).map(|index| {
        let client = world.mint(&TokenRequest::oauth("ada").client_id("client_x"));
        let (world, go) = (&world, go.clone());
        async move {
            let token = if index % 2 == 0 { ada } else { &client };
            announce(world, token, 4 * MIB, go, refused).await
        }
    }));
    let others = async {
        eventually("all but four are refused", || {
            refused.load(Ordering::SeqCst) == 36
        })
        .await;
        // Other users are not affected, and a short body of the user is accepted too.
        for token in [ada, &*grace] {
            let ask = world.call(Era::Modern, "who_am_i", json!({}));
            ask.bearer(token).send().await.expect_status(200);
        }
        let mut long = world.post(call_of(4 * MIB));
        long = long.header("mcp-protocol-version", LEGACY);
        long.bearer(&grace).send().await.expect_text("user_grace");
        open.send(true).unwrap();
    };
    let (announced, ()) = futures_util::join!(announced, others);
    let mut held: Vec<Raw> = announced.into_iter().flatten().collect();
    assert_eq!(held.len(), 4);
    let body = call_of(4 * MIB);
    let (last, rest) = body.split_last().unwrap();
    for connection in &mut held {
        connection.write(rest).await;
    }
    for connection in &mut held {
        connection.write(&[*last]).await;
        connection.reply().await.expect_text("user_ada");
    }
    // The calls have ended, so their bytes are free again.
    let ask = world.post(body).header("mcp-protocol-version", LEGACY);
    ask.bearer(ada).send().await.expect_text("user_ada");
}

#[actix_web::test]
async fn bodies_count_for_everybody_together_and_as_their_chunks_come() {
    let world = World::with(|builder| {
        builder
            .body_limit(MIB)
            .body_bytes_in_flight(2 * MIB)
            .body_bytes_in_flight_per_user(MIB)
    })
    .await;
    let length = format!("Content-Length: {MIB}");
    let mut held = Vec::new();
    let body = call_of(MIB);
    for token in [world.ada(), world.grace()] {
        let mut connection = world.raw().await;
        let framing = format!("{length}\r\nExpect: 100-continue");
        connection.write(&head(&world, &token, &framing)).await;
        // The server counts the bytes of a body before it asks for the body.
        connection.reply().await.expect_status(100);
        connection.write(&body[..MIB / 2]).await;
        held.push(connection);
    }
    let full = async |token: &str, framing: &str, start: &[u8]| loop {
        let mut connection = world.raw().await;
        connection.write(&head(&world, token, framing)).await;
        connection.write(start).await;
        if let Ok(reply) = timeout(Duration::from_millis(500), connection.reply()).await {
            break reply;
        }
    };
    let refused = full(&world.linus(), &length, b"").await;
    assert_eq!(refused.expect_unavailable(), 1);
    // A body of unknown length is refused as soon as it is no longer short.
    let chunked = "Transfer-Encoding: chunked";
    let chunk = format!("5000\r\n{}\r\n", " ".repeat(0x5000));
    let refused = full(&world.ada(), chunked, chunk.as_bytes()).await;
    assert_eq!(refused.expect_unavailable(), 1);
    for connection in &mut held {
        connection.write(&body[MIB / 2..]).await;
        connection.reply().await.expect_status(200);
    }
    let long = world.post(body).header("mcp-protocol-version", LEGACY);
    long.bearer(&world.linus())
        .send()
        .await
        .expect_text("user_linus");
}

#[actix_web::test]
async fn a_body_below_the_least_rate_is_408_long_before_its_deadline() {
    let world = World::with(|builder| builder.body_deadline(Duration::from_secs(12))).await;
    let start = Instant::now();
    let mut connection = world.raw().await;
    let framing = format!("Content-Length: {MIB}");
    connection
        .write(&head(&world, &world.ada(), &framing))
        .await;
    // 100 bytes in 200 ms are far fewer than 16 KiB in each sixth of the deadline of 2 s.
    let reply = loop {
        connection.write(&[b' '; 100]).await;
        if let Ok(reply) = timeout(Duration::from_millis(200), connection.reply()).await {
            break reply;
        }
    };
    reply.expect_status(408);
    assert!(start.elapsed() < Duration::from_secs(10));
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_body_at_the_least_rate_may_take_several_windows() {
    let world = World::with(|builder| builder.body_deadline(Duration::from_secs(6))).await;
    let mut connection = world.raw().await;
    let body = call_of(256 * 1024);
    let framing = format!("Content-Length: {}", body.len());
    connection
        .write(&head(&world, &world.ada(), &framing))
        .await;
    for piece in body.chunks(64 * 1024) {
        connection.write(piece).await;
        sleep(Duration::from_millis(400)).await;
    }
    connection.reply().await.expect_text("user_ada");
}

#[actix_web::test]
async fn the_calls_of_a_user_count_over_all_clients() {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::parked", |builder| {
        builder
            .state(state)
            .calls_in_flight(2)
            .calls_in_flight_per_user(3)
    })
    .await;
    let wait = |token: &str| {
        let ask = world.call(Era::Modern, "wait", json!({})).bearer(token);
        ask.send()
    };
    let client = |id: &str| world.mint(&TokenRequest::oauth("ada").org("acme").client_id(id));
    let (one, two, three) = (client("client_1"), client("client_2"), client("client_3"));
    let calls = [&one, &one, &two].map(|token| tokio::spawn(wait(token)));
    eventually("three calls wait", || gate.entered() == 3).await;
    for token in [&two, &three] {
        assert_eq!(wait(token).await.expect_unavailable(), 1);
    }
    let grace = tokio::spawn(wait(&world.grace()));
    eventually("somebody else is let in", || gate.entered() == 4).await;
    gate.open();
    for call in calls.into_iter().chain([grace]) {
        call.await.unwrap().expect_text("passed");
    }
    wait(&three).await.expect_text("passed");
}

/// A server with a waiting public tool that allows three calls of a network at once, and eight
/// calls without a token.
async fn world_of_strangers() -> (World, Gate) {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::parked", |builder| {
        builder
            .state(state)
            .anonymous_calls_in_flight(8)
            .anonymous_calls_in_flight_per_network(3)
    })
    .await;
    (world, gate)
}

fn wait_openly(world: &World, era: Era, address: &str) -> impl Future<Output = Reply> + use<> {
    let ask = world.call(era, "wait_openly", json!({}));
    ask.from(address).send()
}

#[actix_web::test]
async fn slow_calls_of_one_anonymous_network_shut_out_no_other_caller() {
    let (world, gate) = world_of_strangers().await;
    let mut calls = Vec::new();
    let mut entered = 0;
    // One network may make three calls, and all networks of a /24 together four.
    for (address, most) in [("127.0.0.1", 3), ("127.0.0.2", 1), ("127.0.1.1", 3)] {
        for _ in 0..most {
            calls.push(tokio::spawn(wait_openly(&world, Era::Modern, address)));
            entered += 1;
            eventually("a stranger is let in", || gate.entered() == entered).await;
        }
        for era in ERAS {
            let refused = wait_openly(&world, era, address).await;
            assert_eq!(refused.expect_unavailable(), 1);
        }
    }
    let ask = world
        .call(Era::Modern, "wait", json!({}))
        .bearer(&world.ada());
    calls.push(tokio::spawn(ask.send()));
    eventually("a signed-in caller is let in", || {
        gate.entered() == entered + 1
    })
    .await;
    gate.open();
    for call in calls {
        call.await.unwrap().expect_text("passed");
    }
    let after = wait_openly(&world, Era::Modern, "127.0.0.1").await;
    after.expect_text("passed");
}

#[actix_web::test]
async fn the_calls_of_an_anonymous_caller_who_hung_up_count_until_they_end() {
    let (world, gate) = world_of_strangers().await;
    let begin = async |era: Era| {
        let mut connection = world.raw().await;
        let host = world.host_line();
        let mut params = json!({ "name": "wait_openly", "arguments": {} });
        let mut lines = vec![host, "Content-Type: application/json".to_owned()];
        match era {
            Era::Legacy => lines.push(format!("MCP-Protocol-Version: {LEGACY}")),
            Era::Modern => {
                params["_meta"] = modern_meta();
                lines.push(format!("MCP-Protocol-Version: {MODERN}"));
                lines.push("Mcp-Method: tools/call".to_owned());
                lines.push("Mcp-Name: wait_openly".to_owned());
            }
        }
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let body = message("tools/call", params);
        let request = crate::raw::post("/mcp", &lines, body.as_bytes());
        connection.write(&request).await;
        connection
    };
    let mut connections = Vec::new();
    for era in [Era::Legacy, Era::Legacy, Era::Modern] {
        connections.push(begin(era).await);
        let begun = connections.len();
        eventually("the call waits", || gate.entered() == begun).await;
    }
    for connection in connections {
        connection.close().await;
    }
    // Hanging up cancels a modern call and frees its place. A legacy call continues.
    eventually("the modern call is dropped", || gate.abandoned().len() == 1).await;
    let third = tokio::spawn(wait_openly(&world, Era::Modern, "127.0.0.1"));
    eventually("there is one place", || gate.entered() == 4).await;
    let refused = wait_openly(&world, Era::Modern, "127.0.0.1").await;
    refused.expect_unavailable();
    gate.open();
    third.await.unwrap().expect_text("passed");
    eventually("the legacy calls end", || gate.passed().len() == 3).await;
    let after = wait_openly(&world, Era::Modern, "127.0.0.1").await;
    after.expect_text("passed");
}

/// A server with this number of threads for plain functions, and a short time-out.
async fn world_of_threads(threads: usize) -> (World, tools::Latch) {
    let latch = tools::Latch::default();
    let state = latch.clone();
    let world = World::of("protocol::shares::tools", |builder| {
        let builder = builder.state(state).tool_threads(threads);
        builder.timeout(Duration::from_millis(500))
    })
    .await;
    (world, latch)
}

#[track_caller]
fn expect_no_thread(reply: &Reply) {
    assert_eq!(reply.expect_unavailable(), 5);
    let text = String::from_utf8_lossy(&reply.body);
    assert!(text.contains("No thread is free for this tool"), "{text}");
}

#[actix_web::test]
async fn blocking_functions_of_one_anonymous_network_leave_threads_to_other_callers() {
    for era in ERAS {
        // One network gets one thread, a /24 two, and all anonymous callers four.
        let (world, latch) = world_of_threads(16).await;
        let call =
            |tool: &str, address: &str| world.call(era, tool, json!({})).from(address).send();
        let replies = join_all((0..3).map(|_| call("block_openly", "127.0.0.1"))).await;
        let refused = replies.iter().filter(|reply| reply.status == 503);
        assert_eq!(refused.inspect(|reply| expect_no_thread(reply)).count(), 2);
        // The first call timed out and still occupies the thread. The other functions have not run.
        assert_eq!(latch.entered(), 1);
        expect_no_thread(&call("answer", "127.0.0.1").await);
        for address in ["127.0.0.2", "127.0.1.1"] {
            call("answer", address).await.expect_text("answered");
        }
        let ada = world.call(era, "answer", json!({})).bearer(&world.ada());
        ada.send().await.expect_text("answered");
        latch.open();
        call("answer", "127.0.0.1").await.expect_text("answered");
        assert_eq!(latch.entered(), 1);
    }
}

#[actix_web::test]
async fn blocking_functions_of_one_user_leave_threads_to_other_users() {
    let (world, latch) = world_of_threads(4).await;
    let call = |tool: &str, token: &str| {
        let ask = world.call(Era::Legacy, tool, json!({})).bearer(token);
        ask.send()
    };
    let ada = world.ada();
    let client = world.mint(&TokenRequest::oauth("ada").client_id("client_x"));
    let replies = join_all([&ada, &client, &ada, &client].map(|token| call("block", token))).await;
    let refused = replies.iter().filter(|reply| reply.status == 503);
    assert_eq!(refused.inspect(|reply| expect_no_thread(reply)).count(), 2);
    assert_eq!(latch.entered(), 2);
    expect_no_thread(&call("answer", &client).await);
    call("answer", &world.grace()).await.expect_text("answered");
    let stranger = world.call(Era::Legacy, "answer", json!({})).send();
    stranger.await.expect_text("answered");
    latch.open();
    call("answer", &ada).await.expect_text("answered");
    assert_eq!(latch.entered(), 2);
}
