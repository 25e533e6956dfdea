//! When a stream ends.

use std::time::{Duration, Instant};

use clerk_emulator::TokenRequest;
use serde_json::json;

use super::Wiki;
use crate::process::Process;
use crate::support::{Era, eventually};

#[actix_web::test]
async fn a_stream_ends_when_its_token_expires() {
    let wiki = Wiki::new().await;
    let short = TokenRequest::oauth("ada").org("acme").expires_in(60);
    let (short, long) = (wiki.world.mint(&short), wiki.world.ada());
    let ending = wiki
        .listen(&short, json!({ "toolsListChanged": true }))
        .await;
    let mut staying = wiki
        .listen(&long, json!({ "toolsListChanged": true }))
        .await;
    wiki.world.clock.advance(Duration::from_secs(70));
    ending.expect_end().await;
    wiki.notifier.tools_changed();
    assert_eq!(staying.next().await, "tools");
}

#[actix_web::test]
async fn a_stream_delivers_nothing_after_its_token_expired() {
    let wiki = Wiki::new().await;
    let short = TokenRequest::oauth("ada").org("acme").expires_in(60);
    let ending = wiki
        .listen_to(&wiki.world.mint(&short), &["wiki://mine"])
        .await;
    wiki.world.clock.advance(Duration::from_secs(70));
    wiki.notifier.resource_updated("wiki://mine");
    ending.expect_end().await;
}

#[actix_web::test]
async fn a_stream_ends_when_the_key_of_its_token_is_withdrawn() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    let ending = wiki.listen(&ada, json!({ "toolsListChanged": true })).await;
    wiki.world.instance.rotate_key().unwrap();
    // The first token of the new key makes the server fetch the keys.
    let mut staying = wiki
        .listen(&wiki.world.grace(), json!({ "toolsListChanged": true }))
        .await;
    ending.expect_end().await;
    wiki.notifier.tools_changed();
    assert_eq!(staying.next().await, "tools");
}

#[actix_web::test]
async fn a_stream_of_a_banned_user_ends_and_delivers_nothing() {
    for delivers in [false, true] {
        let wiki = Wiki::with(|builder| builder.check_users()).await;
        let ada = wiki.world.ada();
        let listener = wiki.listen_to(&ada, &["wiki://mine"]).await;
        wiki.world.instance.set_banned("ada", true);
        if delivers {
            // The server has looked the user up a minute ago.
            wiki.world.clock.advance(Duration::from_secs(60));
            wiki.notifier.resource_updated("wiki://mine");
        } else {
            wiki.world.clock.advance(Duration::from_secs(300));
        }
        listener.expect_end().await;
    }
}

#[actix_web::test]
async fn a_stream_of_a_revoked_token_ends_and_delivers_nothing() {
    for delivers in [false, true] {
        let wiki = Wiki::new().await;
        let token = TokenRequest::oauth("ada").org("acme").opaque();
        let token = wiki.world.mint(&token);
        let listener = wiki.listen_to(&token, &["wiki://mine"]).await;
        assert!(wiki.world.instance.revoke(&token));
        if delivers {
            wiki.world.clock.advance(Duration::from_secs(60));
            wiki.notifier.resource_updated("wiki://mine");
        } else {
            wiki.world.clock.advance(Duration::from_secs(300));
        }
        listener.expect_end().await;
    }
}

#[actix_web::test]
async fn a_token_that_cannot_be_confirmed_now_holds_changes_back() {
    let wiki = Wiki::new().await;
    let token = TokenRequest::oauth("ada").org("acme").opaque();
    let mut listener = wiki
        .listen_to(&wiki.world.mint(&token), &["wiki://mine"])
        .await;
    wiki.world.clock.advance(Duration::from_secs(60));
    wiki.world.instance.fail_with(Some(500));
    let before = wiki.world.instance.requests_to("/");
    wiki.notifier.resource_updated("wiki://mine");
    eventually("the server asks", || {
        wiki.world.instance.requests_to("/") > before
    })
    .await;
    wiki.world.instance.fail_with(None);
    wiki.world.clock.advance(Duration::from_secs(60));
    assert_eq!(listener.next().await, "wiki://mine");
}

#[actix_web::test]
async fn a_stream_ends_when_no_resource_is_left() {
    let wiki = Wiki::new().await;
    let grace = wiki.world.grace();
    let listener = wiki
        .listen_to(&grace, &["wiki://pages/a", "wiki://pages/b"])
        .await;
    wiki.world.instance.remove_member("grace", "acme");
    wiki.world.clock.advance(Duration::from_secs(30));
    wiki.notifier.resource_updated("wiki://pages/b");
    wiki.notifier.resource_updated("wiki://pages/a");
    listener.expect_end().await;
}

#[actix_web::test]
async fn a_server_that_stops_ends_its_streams_at_once() {
    let mut wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    let mut listeners = Vec::new();
    for _ in 0..8 {
        listeners.push(wiki.listen_to(&ada, &["wiki://mine"]).await);
    }
    let begun = Instant::now();
    let stopped = wiki.world.server.stop();
    for listener in listeners {
        listener.expect_end().await;
    }
    stopped.await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(wiki.notifier.subscriptions(), 0);
}

#[actix_web::test]
async fn a_process_that_is_signalled_ends_its_streams_at_once() {
    for signal in ["TERM", "INT"] {
        let mut process = Process::start(&[]);
        let issuer = process.fact("issuer").split(' ').next().unwrap().to_owned();
        let token = crate::support::client()
            .get(format!("{issuer}/dev/token?user=ada"))
            .send()
            .await
            .unwrap();
        let token = token.text().await.unwrap();
        let params = json!({
            "notifications": { "toolsListChanged": true },
            "_meta": crate::support::modern_meta(),
        });
        let mut response = crate::support::client()
            .post(process.fact("endpoint"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", crate::support::MODERN)
            .header("mcp-method", "subscriptions/listen")
            .header("authorization", format!("Bearer {}", token.trim()))
            .body(crate::support::message("subscriptions/listen", params))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let first = response.chunk().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&first).contains("acknowledged"));
        let begun = Instant::now();
        process.signal(signal);
        let rest = response.text().await.unwrap();
        assert!(rest.contains(r#""resultType":"complete""#), "{rest}");
        eventually("it ends", || process.ended().is_some()).await;
        assert_eq!(process.ended(), Some(Some(0)), "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[actix_web::test]
async fn a_stream_of_a_caller_who_acts_elsewhere_now_gets_nothing() {
    // The only membership names the organization, and changes while the stream is open.
    let wiki = Wiki::with(|builder| {
        builder.organization_from([mcp_auth::OrganizationSource::OnlyMembership])
    })
    .await;
    let instance = &wiki.world.instance;
    instance.set_member("edsger", "acme", "member", &["org:documents:read"]);
    let token = wiki.world.mint(&TokenRequest::oauth("edsger"));
    let listener = wiki.listen_to(&token, &["wiki://pages/a"]).await;
    assert_eq!(
        listener.acknowledged,
        json!({ "resourceSubscriptions": ["wiki://pages/a"] })
    );
    instance.set_member("edsger", "globex", "member", &["org:documents:read"]);
    instance.remove_member("edsger", "acme");
    wiki.world.clock.advance(Duration::from_secs(30));
    let reply = wiki
        .world
        .ask(
            Era::Modern,
            "resources/read",
            json!({ "uri": "wiki://pages/a" }),
        )
        .bearer(&token)
        .send()
        .await;
    assert!(reply.result()["contents"].is_array());
    wiki.notifier.resource_updated("wiki://pages/a");
    listener.expect_end().await;
}
