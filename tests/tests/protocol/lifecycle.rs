//! Panics, time-outs, disconnects, shutdown, and an issuer that changes its keys or is unreachable.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use serde_json::json;

use crate::parked::Gate;
use crate::process::Process;
use crate::raw::{self, Raw};
use crate::reply::Reply;
use crate::support::{ERAS, Era, MODERN, World, client, eventually, message, modern_meta};

mod tools {
    use mcp_auth::mcp_tool;

    /// Panic before the first await.
    #[mcp_tool]
    async fn explode() -> String {
        panic!("boom")
    }

    /// Panic after an await.
    #[mcp_tool]
    async fn explode_later() -> String {
        tokio::task::yield_now().await;
        let empty: [u8; 0] = [];
        format!("{}", empty.iter().copied().max().unwrap())
    }

    /// Tell who is calling.
    #[mcp_tool]
    async fn who_am_i(caller: &mcp_auth::Caller) -> String {
        caller.subject().to_owned()
    }
}

/// A server whose only tools wait.
async fn waiting_world() -> (World, Gate) {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::parked", |builder| builder.state(state)).await;
    (world, gate)
}

#[actix_web::test]
async fn a_panic_is_contained() {
    let world = World::of("protocol::lifecycle::tools", |builder| builder).await;
    for _ in 0..10 {
        for era in ERAS {
            for tool in ["explode", "explode_later"] {
                let reply = world
                    .call(era, tool, json!({}))
                    .bearer(&world.ada())
                    .send()
                    .await;
                assert!(reply.text().starts_with("Internal error, reference "));
            }
        }
    }
    world.still_serves().await;
}

#[actix_web::test]
async fn a_call_that_takes_too_long_is_dropped() {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::parked", |builder| {
        builder.state(state).timeout(Duration::from_millis(30))
    })
    .await;
    for era in ERAS {
        let reply = world
            .call(era, "wait", json!({}))
            .bearer(&world.ada())
            .send()
            .await;
        assert!(reply.text().starts_with("Internal error, reference "));
    }
    assert_eq!(gate.entered(), 2);
    assert_eq!(gate.abandoned(), ["wait", "wait"]);
    assert!(gate.passed().is_empty());
}

#[actix_web::test]
async fn a_modern_client_that_hangs_up_cancels_its_call() {
    let (world, gate) = waiting_world().await;
    let connection = begin(&world, Era::Modern, "wait", Some(&world.ada())).await;
    eventually("the call waits", || gate.entered() == 1).await;
    connection.close().await;
    eventually("the call is dropped", || gate.abandoned() == ["wait"]).await;
    // Dropping the connection has the effect of closing it cleanly.
    let connection = begin(&world, Era::Modern, "wait_openly", None).await;
    eventually("another call waits", || gate.entered() == 2).await;
    drop(connection);
    eventually("it is dropped", || {
        gate.abandoned() == ["wait", "wait_openly"]
    })
    .await;
    assert!(gate.passed().is_empty());
}

#[actix_web::test]
async fn a_legacy_client_that_hangs_up_does_not_cancel_its_call() {
    let (world, gate) = waiting_world().await;
    let connection = begin(&world, Era::Legacy, "wait", Some(&world.ada())).await;
    eventually("the call waits", || gate.entered() == 1).await;
    connection.close().await;
    // These modern calls end after the legacy call, on every worker, and each is dropped. So the
    // end of the legacy call must have been noticed too.
    for ended in 1..=8 {
        let modern = begin(&world, Era::Modern, "wait_openly", None).await;
        eventually("a modern call waits", || gate.entered() == 1 + ended).await;
        modern.close().await;
        let dropped = || {
            gate.abandoned()
                .iter()
                .filter(|tool| **tool == "wait_openly")
                .count()
        };
        eventually("the modern call is dropped", || dropped() == ended).await;
    }
    assert!(!gate.abandoned().contains(&"wait"));
    gate.open();
    eventually("the legacy call ends", || gate.passed() == ["wait"]).await;
}

#[actix_web::test]
async fn a_cancelled_call_frees_its_place() {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::parked", |builder| {
        builder.state(state).calls_in_flight(1)
    })
    .await;
    let ada = world.ada();
    let connection = begin(&world, Era::Modern, "wait", Some(&ada)).await;
    eventually("the call waits", || gate.entered() == 1).await;
    let wait = || {
        world
            .call(Era::Modern, "wait", json!({}))
            .bearer(&ada)
            .send()
    };
    wait().await.expect_unavailable();
    connection.close().await;
    eventually("the call is dropped", || gate.abandoned() == ["wait"]).await;
    gate.open();
    wait().await.expect_text("passed");
}

#[actix_web::test]
async fn a_server_that_stops_lets_its_calls_finish() {
    let (mut world, gate) = waiting_world().await;
    let ask = |era| {
        world
            .call(era, "wait", json!({}))
            .bearer(&world.ada())
            .send()
    };
    let calls = ERAS.map(|era| tokio::spawn(ask(era)));
    eventually("both calls wait", || gate.entered() == 2).await;
    let stopped = world.server.stop();
    eventually("nobody listens", || {
        std::net::TcpStream::connect(world.server.address).is_err()
    })
    .await;
    gate.open();
    for call in calls {
        call.await.unwrap().expect_text("passed");
    }
    stopped.await.unwrap();
    assert_eq!(gate.passed(), ["wait", "wait"]);
    assert!(gate.abandoned().is_empty());
}

#[actix_web::test]
async fn a_process_that_is_signalled_lets_its_calls_finish() {
    for signal in ["TERM", "INT"] {
        let directory = tempfile::tempdir().unwrap();
        let mut process = Process::start(&[]);
        let call = tokio::spawn(hold(&process, directory.path().to_str().unwrap()).await);
        eventually("the call has begun", || {
            directory.path().join("begun").exists()
        })
        .await;
        process.signal(signal);
        let address = process
            .fact("endpoint")
            .replace("http://", "")
            .replace("/mcp", "");
        eventually("nobody listens", || {
            std::net::TcpStream::connect(&address).is_err()
        })
        .await;
        assert_eq!(process.ended(), None, "{signal}");
        std::fs::write(directory.path().join("go"), "").unwrap();
        Reply::read(call.await.unwrap().unwrap())
            .await
            .expect_text("held");
        eventually("it ends", || process.ended().is_some()).await;
        assert_eq!(
            process.ended(),
            Some(Some(0)),
            "{signal}: {}",
            process.log()
        );
    }
}

#[actix_web::test]
async fn a_second_signal_ends_the_process_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&[]);
    let call = tokio::spawn(hold(&process, directory.path().to_str().unwrap()).await);
    eventually("the call has begun", || {
        directory.path().join("begun").exists()
    })
    .await;
    process.signal("TERM");
    let address = process
        .fact("endpoint")
        .replace("http://", "")
        .replace("/mcp", "");
    eventually("nobody listens", || {
        std::net::TcpStream::connect(&address).is_err()
    })
    .await;
    // A user in a hurry sends the signal more than once.
    let hurried = || {
        let ended = process.ended().is_some();
        if !ended {
            process.signal("INT");
        }
        ended
    };
    eventually("it ends", hurried).await;
    assert!(call.await.unwrap().is_err());
}

#[actix_web::test]
async fn a_new_key_is_found_without_a_restart() {
    let world = World::new().await;
    let before = world.ada();
    call(&world, &before).await.expect_text("user_ada");
    world.instance.rotate_key().unwrap();
    // The first token of the new key makes the server fetch the keys. That drops the tokens of the
    // old key.
    call(&world, &world.grace()).await.expect_text("user_grace");
    let reply = call(&world, &before).await;
    assert_eq!(
        reply.expect_status(401).challenge(),
        world.invalid_token_challenge()
    );
    call(&world, &world.ada()).await.expect_text("user_ada");
    world.expect_runs(3);
}

#[actix_web::test]
async fn a_withdrawn_key_is_dropped_at_the_next_refresh() {
    let world = World::new().await;
    let ada = world.ada();
    call(&world, &ada).await.expect_text("user_ada");
    world.instance.rotate_key().unwrap();
    call(&world, &ada).await.expect_text("user_ada");
    world.clock.advance(Duration::from_secs(301));
    // The keys are refreshed in the background, and requests do not wait for that.
    let mut status = 200;
    for _ in 0..1000 {
        status = call(&world, &ada).await.status;
        if status != 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(status, 401);
}

#[actix_web::test]
async fn while_the_issuer_is_unreachable_cached_keys_are_used_for_a_day() {
    let mut world = World::new().await;
    let day = TokenRequest::oauth("ada").expires_in(7 * 24 * 3600);
    let (seen, unseen) = (
        world.mint(&day),
        world.mint(&day.clone().client_id("client_b")),
    );
    call(&world, &seen).await.expect_text("user_ada");
    // A connection that is still open must not refresh the keys.
    world.instance.fail_with(Some(503));
    world.clerk.take().unwrap().stop().await;
    for hours in [1, 10, 12] {
        world.clock.advance(Duration::from_secs(hours * 3600));
        call(&world, &seen).await.expect_text("user_ada");
    }
    call(&world, &unseen).await.expect_text("user_ada");
    world.clock.advance(Duration::from_secs(3600 + 1));
    for token in [&seen, &unseen] {
        call(&world, token).await.expect_unavailable();
    }
    world.expect_runs(5);
}

async fn call(world: &World, token: &str) -> Reply {
    world
        .call(Era::Modern, "who_am_i", json!({}))
        .bearer(token)
        .send()
        .await
}

/// Sends a call and does not read the response.
async fn begin(world: &World, era: Era, tool: &str, token: Option<&str>) -> Raw {
    let mut params = json!({ "name": tool });
    let mut head = vec![
        world.host_line(),
        "Content-Type: application/json".to_owned(),
    ];
    head.extend(token.map(|token| format!("Authorization: Bearer {token}")));
    if era == Era::Modern {
        params["_meta"] = modern_meta();
        head.push(format!("MCP-Protocol-Version: {MODERN}"));
        head.push("Mcp-Method: tools/call".to_owned());
        head.push(format!("Mcp-Name: {tool}"));
    }
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    let body = message("tools/call", params);
    let mut connection = world.raw().await;
    connection
        .write(&raw::post("/mcp", &head, body.as_bytes()))
        .await;
    connection
}

/// Sends a call of `hold` to a process, and returns while the call runs.
async fn hold(
    process: &Process,
    directory: &str,
) -> impl Future<Output = reqwest::Result<reqwest::Response>> + use<> {
    let issuer = process.fact("issuer").split(' ').next().unwrap();
    let token = client()
        .get(format!("{issuer}/dev/token?user=ada"))
        .send()
        .await
        .unwrap();
    let token = token.text().await.unwrap();
    let params = json!({ "name": "hold", "arguments": { "directory": directory } });
    client()
        .post(process.fact("endpoint"))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", token.trim()))
        .body(message("tools/call", params))
        .send()
}
