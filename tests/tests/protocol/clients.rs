//! Which party a failed authentication counts for: networks, clients behind proxies, and signed
//! tokens.

use std::time::{Duration, Instant};

use clerk_emulator::TokenRequest;
use futures_util::future::join_all;
use mcp_auth::{Caller, mcp_tool};
use serde_json::json;

use crate::reply::Reply;
use crate::support::{Era, World};

const OWN: &str = "protocol::clients::own";
const MOST: u32 = 1_000;

mod own {
    use super::*;

    /// Tell who is calling.
    #[mcp_tool]
    async fn who_am_i(caller: &Caller) -> String {
        caller.subject().to_owned()
    }
}

/// Calls a tool from the peer 127.0.0.1 with these headers.
async fn call(world: &World, token: &str, headers: &[(&str, &str)]) -> Reply {
    let ask = world.call(Era::Modern, "who_am_i", json!({}));
    let ask = headers
        .iter()
        .fold(ask.bearer(token), |ask, (name, value)| {
            ask.header(name, value)
        });
    ask.send().await
}

/// Sends 1 000 bad tokens of all forms. None is accepted, and beyond the limit all get 429.
async fn flood(world: &World, headers: &[(&str, &str)]) {
    let signed = world.ada();
    let (signed, _) = signed.rsplit_once('.').unwrap();
    let bad = |index: u32| match index % 4 {
        0 => format!("{signed}.{index:0>342}"),
        1 => format!("e30.e30.{index:0>342}"),
        _ => format!("junk{index}"),
    };
    for first in (0..MOST).step_by(50) {
        let presented = (first..first + 50).map(|index| async move {
            call(world, &bad(index), headers).await.expect_status(401);
        });
        join_all(presented).await;
    }
    for index in 0..4 {
        let reply = call(world, &bad(index), headers).await;
        reply.expect_oauth_error(429, "too_many_requests", "Too many failed authentications");
    }
    let junk = call(world, "oat_junk", headers).await;
    junk.expect_status(429);
}

#[actix_web::test]
async fn behind_a_trusted_proxy_bad_tokens_count_only_for_their_client() {
    for (name, stranger, client) in [
        ("x-forwarded-for", "203.0.113.66", "203.0.113.5, 127.0.0.9"),
        (
            "forwarded",
            "for=203.0.113.66",
            "for=203.0.113.5;proto=https",
        ),
        ("x-forwarded-for", "2001:db8:0:1::66", "2001:db8:0:2::5"),
    ] {
        let world = World::of(OWN, |builder| builder.trusted_proxies(["127.0.0.0/8"])).await;
        flood(&world, &[(name, stranger)]).await;
        // The client does not change with the headers that it sends: only the entry of the proxy
        // counts.
        let spoofed = format!("{}, {stranger}", client.split(',').next().unwrap());
        call(&world, "junk", &[(name, &spoofed)])
            .await
            .expect_status(429);
        let opaque = world.mint(&TokenRequest::oauth("ada").opaque());
        for token in [world.grace(), opaque] {
            let reply = call(&world, &token, &[(name, client)]).await;
            reply.expect_status(200);
        }
        call(&world, "junk", &[(name, client)])
            .await
            .expect_status(401);
        // A new signed token is accepted while the other client fails.
        let linus = world.linus();
        call(&world, &linus, &[(name, stranger)])
            .await
            .expect_text("user_linus");
    }
}

#[actix_web::test]
async fn without_trusted_proxies_a_signed_token_is_accepted_despite_a_thousand_bad_ones() {
    let world = World::of(OWN, |builder| builder).await;
    let known = world.mint(&TokenRequest::oauth("ada").opaque());
    call(&world, &known, &[]).await.expect_text("user_ada");
    flood(&world, &[("x-forwarded-for", "203.0.113.66")]).await;
    for headers in [
        &[][..],
        &[
            ("x-forwarded-for", "203.0.113.5"),
            ("forwarded", "for=192.0.2.1"),
        ],
    ] {
        call(&world, &world.grace(), headers)
            .await
            .expect_text("user_grace");
        call(&world, &known, headers).await.expect_text("user_ada");
        call(&world, "junk", headers).await.expect_status(429);
    }
    // After ten minutes without traffic the keys are stale. Bad tokens in the next minute do not
    // block a caller with a signed token.
    let signed = world.grace();
    world.clock.advance(Duration::from_secs(600));
    flood(&world, &[]).await;
    call(&world, &signed, &[]).await.expect_text("user_grace");
}

#[actix_web::test]
async fn sixty_valid_opaque_tokens_at_once_are_accepted_within_five_seconds() {
    // This is the default of a production instance.
    let world = World::of(OWN, |builder| builder.new_opaque_tokens_per_10s(100)).await;
    let tokens: Vec<_> = (0..60)
        .map(|_| world.mint(&TokenRequest::oauth("ada").opaque()))
        .collect();
    world.instance.latency(Duration::from_millis(200));
    let before = Instant::now();
    let presented = tokens.iter().map(|token| call(&world, token, &[]));
    for reply in join_all(presented).await {
        reply.expect_text("user_ada");
    }
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "{:?}",
        before.elapsed()
    );
}
