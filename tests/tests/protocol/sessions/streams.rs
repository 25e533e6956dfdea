//! The streams of a session: their ids, how they are resumed, and how they end.

use std::time::{Duration, Instant};

use clerk_emulator::TokenRequest;
use mcp_auth::{Revocation, Revocations};
use reqwest::Method;
use serde_json::json;

use crate::support::eventually;

use super::client::{Event, Session};
use super::{expect_no_session, with, world};

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::id).collect()
}

#[actix_web::test]
async fn the_stream_of_a_call_begins_with_an_id_and_the_time_to_wait() {
    let (world, gate) = world().await;
    gate.open();
    let session = Session::open(&world, &world.ada()).await;
    let events = session
        .events(session.with_progress("report", json!({})))
        .await;
    let first = &events[0];
    assert!(
        first.message.is_none() && first.retry == Some(1000),
        "{first:?}"
    );
    assert_eq!(events.last().unwrap().text(), "reported");
    // The newest progress replaces older progress that waits.
    let of_stream = |number: u32, events: &[Event]| -> Vec<String> {
        (0..events.len())
            .map(|position| format!("{number}-{position}"))
            .collect()
    };
    assert!(events.len() >= 3);
    assert_eq!(ids(&events), of_stream(1, &events));
    // The next stream has ids of its own.
    let events = session
        .events(session.with_progress("report", json!({})))
        .await;
    assert_eq!(ids(&events), of_stream(2, &events));
    // A call that sends nothing has a JSON response.
    session
        .call("who_am_i", json!({}))
        .send()
        .await
        .expect_text("user_ada");
}

#[actix_web::test]
async fn an_older_client_gets_no_event_without_a_message() {
    let (world, gate) = world().await;
    gate.open();
    for version in ["2025-06-18", "2025-03-26"] {
        let session = Session::open_with(&world, &world.ada(), version).await;
        for tool in ["report", "close"] {
            let events = session.events(session.with_progress(tool, json!({}))).await;
            assert!(
                events.iter().all(|event| event.message.is_some()),
                "{events:?}"
            );
            assert!(events.len() >= 2);
            events.last().unwrap().text();
        }
    }
}

#[actix_web::test]
async fn a_stream_that_the_server_closed_is_resumed_with_the_result() {
    let (world, gate) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let events = session
        .events(session.with_progress("close", json!({})))
        .await;
    assert_eq!(events.len(), 2);
    assert!(events[1].is("notifications/progress"));
    eventually("the call goes on", || gate.entered() == 1).await;
    let mut resumed = session.stream(session.resume(events[1].id())).await;
    gate.open();
    assert!(resumed.next().await.unwrap().is("notifications/progress"));
    let last = resumed.next().await.unwrap();
    assert_eq!((last.id(), last.text()), ("1-3", "closed and done"));
    assert!(resumed.next().await.is_none());
    // Events that were sent already can be sent again, from any event on.
    for (last, expected) in [("1-0", 3), ("1-2", 1), ("1-3", 0)] {
        let again = session.events(session.resume(last)).await;
        assert_eq!(again.len(), expected, "{last}");
    }
    // Five minutes later it cannot.
    world.clock.advance(Duration::from_secs(300));
    let reply = session.with_token(&world.ada()).resume("1-0").send().await;
    assert_eq!(reply.expect_status(400).json()["error"], "invalid_request");
}

#[actix_web::test]
async fn a_stream_without_a_session_cannot_be_closed_before_its_result() {
    let (world, gate) = world().await;
    gate.open();
    for era in crate::support::ERAS {
        let ask = world.call(era, "close", json!({})).bearer(&world.ada());
        ask.send().await.expect_text("closed and done");
    }
}

#[actix_web::test]
async fn a_call_goes_on_when_its_connection_breaks_and_the_result_is_kept() {
    let (world, gate) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let mut stream = session
        .stream(session.with_progress("report", json!({})))
        .await;
    let primed = stream.next().await.unwrap();
    assert!(stream.next().await.unwrap().is("notifications/progress"));
    drop(stream);
    gate.open();
    eventually("the call ends", || gate.passed() == ["report"]).await;
    let events = session.events(session.resume(primed.id())).await;
    assert_eq!(ids(&events), ["1-1", "1-2", "1-3"]);
    assert_eq!(events[2].text(), "reported");
}

#[actix_web::test]
async fn only_events_of_the_session_resume_a_stream() {
    let (world, gate) = world().await;
    gate.open();
    let ada = world.ada();
    let session = Session::open(&world, &ada).await;
    session
        .events(session.with_progress("report", json!({})))
        .await;
    for unknown in [
        "1-4", "2-0", "9-9", "", "1", "x", "1-", "01-0", "1-0 1-1", "\u{e9}",
    ] {
        let reply = session.resume(unknown).send().await;
        let text =
            "The session has no event with this Last-Event-ID, or the event was already removed";
        reply.expect_oauth_error(400, "invalid_request", text);
    }
    let twice = session.resume("1-0").and_header("last-event-id", "1-0");
    twice.send().await.expect_status(400);
    // Another session of the same principal has no such stream.
    let other = Session::open(&world, &ada).await;
    other.resume("1-0").send().await.expect_status(400);
    // Another principal has no such session.
    let foreign = session.with_token(&world.grace());
    expect_no_session(&foreign.resume("1-0").send().await);
    let events = session.events(session.resume("1-0")).await;
    assert_eq!(events.last().unwrap().text(), "reported");
}

#[actix_web::test]
async fn each_message_is_on_one_stream() {
    let (world, gate) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let mut standalone = session.stream(session.get()).await;
    assert!(standalone.next().await.unwrap().message.is_none());
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(
            session
                .stream(session.with_progress("report", json!({})))
                .await,
        );
    }
    eventually("the calls wait", || gate.entered() == 3).await;
    gate.open();
    let mut seen = Vec::new();
    for call in calls {
        let events = call.rest().await;
        assert_eq!(events.len(), 4);
        seen.extend(events.iter().map(|event| event.id().to_owned()));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 12);
    assert!(standalone.is_silent(Duration::from_millis(50)).await);
}

#[actix_web::test]
async fn a_new_standalone_stream_replaces_the_old_one() {
    let (world, _) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let mut old = session.stream(session.get()).await;
    let first = old.next().await.unwrap();
    let mut new = session.stream(session.get()).await;
    assert!(old.next().await.is_none());
    assert!(new.next().await.unwrap().message.is_none());
    // A client that reconnects names the last event that it got.
    let mut resumed = session.stream(session.resume(first.id())).await;
    assert!(new.next().await.is_none());
    assert!(resumed.next().await.unwrap().message.is_none());
    // The stream continues although the event is forgotten.
    world.clock.advance(Duration::from_secs(600));
    let session = session.with_token(&world.ada());
    let mut later = session.stream(session.resume(first.id())).await;
    assert!(later.next().await.unwrap().message.is_none());
}

#[actix_web::test]
async fn delete_ends_the_streams_of_the_session_and_no_others() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let session = Session::open(&world, &ada).await;
    let other = Session::open(&world, &ada).await;
    let mut standalone = session.stream(session.get()).await;
    let mut call = session
        .stream(session.with_progress("report", json!({})))
        .await;
    let mut others = other.stream(other.get()).await;
    for stream in [&mut standalone, &mut call, &mut others] {
        stream.next().await.unwrap();
    }
    call.next().await.unwrap();
    session
        .request(Method::DELETE)
        .send()
        .await
        .expect_status(204);
    assert!(standalone.next().await.is_none());
    assert!(call.next().await.is_none());
    assert!(others.is_silent(Duration::from_millis(50)).await);
    // The call itself goes on, as after a disconnection.
    gate.open();
    eventually("the call ends", || gate.passed() == ["report"]).await;
}

#[actix_web::test]
async fn an_open_stream_does_not_delay_the_shutdown() {
    let (mut world, gate) = world().await;
    let ada = world.ada();
    let session = Session::open(&world, &ada).await;
    let mut standalone = session.stream(session.get()).await;
    let mut call = session
        .stream(session.with_progress("report", json!({})))
        .await;
    standalone.next().await.unwrap();
    for _ in 0..2 {
        call.next().await.unwrap();
    }
    let stopped = world.server.stop();
    assert!(standalone.next().await.is_none());
    // The call in flight may end.
    gate.open();
    assert_eq!(call.rest().await.last().unwrap().text(), "reported");
    let stopped = tokio::time::timeout(Duration::from_secs(5), stopped).await;
    stopped.expect("the server still waits").unwrap();
}

#[actix_web::test]
async fn an_open_stream_is_neither_idle_nor_evicted() {
    let (world, _) = with(|builder| {
        let builder = builder.connections(8).connections_per_network(8);
        builder.idle_limit(Duration::from_millis(200))
    })
    .await;
    let ada = world.ada();
    let mut streams = Vec::new();
    for _ in 0..4 {
        let session = Session::open(&world, &ada).await;
        let mut stream = session.stream(session.get()).await;
        stream.next().await.unwrap();
        streams.push(stream);
    }
    // Twenty connections, of which the server closes the idle ones.
    for _ in 0..20 {
        let ask = world.list(crate::support::Era::Legacy).bearer(&ada);
        ask.over(&crate::support::client())
            .send()
            .await
            .expect_status(200);
    }
    for stream in &mut streams {
        assert!(stream.is_silent(Duration::from_millis(150)).await);
    }
}

#[actix_web::test]
async fn messages_beyond_the_limit_fall_out_and_the_result_is_kept() {
    let (world, gate) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let level = session.ask("logging/setLevel", json!({ "level": "info" }));
    level.send().await.expect_status(200);
    let mut stream = session.stream(session.call("flood", json!({}))).await;
    let primed = stream.next().await.unwrap();
    drop(stream);
    eventually("the flood is over", || gate.entered() == 1).await;
    gate.open();
    eventually("the call ends", || gate.passed() == ["flood"]).await;
    let events = session.events(session.resume(primed.id())).await;
    // 256 events, or 256 KiB.
    assert!((150..=256).contains(&events.len()), "{}", events.len());
    assert_eq!(events.last().unwrap().text(), "flooded");
}

#[actix_web::test]
async fn the_streams_of_a_revoked_caller_end_within_a_second_and_the_session_continues_when_it_is_restored()
 {
    let mut revocations = Revocations::default();
    let (world, gate) = with(|builder| {
        revocations = builder.revocations();
        builder
    })
    .await;
    let (ada, grace) = (world.ada(), world.grace());
    let (session, other) = (
        Session::open(&world, &ada).await,
        Session::open(&world, &grace).await,
    );
    session
        .ask("resources/subscribe", json!({ "uri": "docs://open" }))
        .send()
        .await
        .result();
    let mut standalone = session.stream(session.get()).await;
    let mut report = session
        .stream(session.with_progress("report", json!({})))
        .await;
    let mut staying = other.stream(other.get()).await;
    assert!(standalone.next().await.unwrap().message.is_none());
    assert!(staying.next().await.unwrap().message.is_none());
    let first = report.next().await.unwrap();
    assert!(report.next().await.unwrap().is("notifications/progress"));
    let begun = Instant::now();
    revocations.revoke(Revocation::subject("user_ada"));
    let change = json!({ "uri": "docs://open" });
    other
        .call("change", change)
        .send()
        .await
        .expect_text("changed");
    gate.open();
    assert!(standalone.next().await.is_none());
    assert!(report.next().await.is_none());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    for ask in [
        session.get(),
        session.resume(first.id()),
        session.call("who_am_i", json!({})),
        session.request(Method::DELETE),
    ] {
        ask.send().await.expect_status(401);
    }
    assert!(staying.is_silent(Duration::from_millis(100)).await);
    assert!(revocations.lift(&Revocation::subject("user_ada")));
    // The session and the response of the call were kept, as after a broken connection.
    session
        .call("who_am_i", json!({}))
        .send()
        .await
        .expect_text("user_ada");
    let rest = session.events(session.resume(first.id())).await;
    assert_eq!(rest.last().unwrap().text(), "reported");
}

#[actix_web::test]
async fn only_the_connection_of_a_revoked_token_ends() {
    let mut revocations = Revocations::default();
    let (world, _) = with(|builder| {
        revocations = builder.revocations();
        builder
    })
    .await;
    let old = TokenRequest::oauth("ada").org("acme");
    let old = world.mint(&old);
    let session = Session::open(&world, &old).await;
    let mut stream = session.stream(session.get()).await;
    stream.next().await.unwrap();
    world.clock.advance(Duration::from_secs(10));
    let before = std::time::UNIX_EPOCH + Duration::from_secs(world.clock.unix_seconds());
    revocations.revoke(Revocation::tokens_before(before));
    assert!(stream.next().await.is_none());
    session.get().send().await.expect_status(401);
    // The client refreshes its token, and continues its session.
    let renewed = session.with_token(&world.ada());
    renewed
        .call("who_am_i", json!({}))
        .send()
        .await
        .expect_text("user_ada");
    let mut stream = renewed.stream(renewed.get()).await;
    stream.next().await.unwrap();
}
