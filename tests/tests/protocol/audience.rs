//! Which audiences of a token are this server, under each policy, before and after its date.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::testing::TestClock;
use mcp_auth::{AudiencePolicy, ServerBuilder};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::support::{Era, World};

const INVALID: &str = "The access token is invalid or expired";
const MISSING: &str =
    "The access token does not say that it was issued for this server; connect this server again";
const MISMATCH: &str = "The access token was issued for another server; connect this server again";

/// Audiences that mean the server at `url`, and audiences that do not.
fn audiences(url: &str) -> (Vec<Value>, Vec<Value>) {
    let other_case = url.replace("http://127", "HTTP://127");
    let here = vec![
        json!(url),
        json!(format!("{url}?client=cursor")),
        json!(format!("{url}?")),
        json!(other_case),
        json!([format!("{url}?a=b&org=acme"), "https://other.example.com"]),
    ];
    let elsewhere = vec![
        json!("https://other.example.com/mcp"),
        json!(format!("{url}/")),
        json!(format!("{url}2")),
        json!(format!("{url}#a")),
        json!(format!("{url}?a#b")),
        json!(url.replace("http:", "https:")),
        json!(url.replace("/mcp", "/x/../mcp")),
        json!(url.replace("127.0.0.1", "127.0.0.2")),
        json!(url.replace("http://", "http://ada@")),
        json!([]),
    ];
    (here, elsewhere)
}

/// A description, the policy of a server, the time of the test in seconds, and whether a token
/// without an audience is accepted.
type Case = (&'static str, fn(ServerBuilder) -> ServerBuilder, u64, bool);

#[actix_web::test]
async fn an_audience_is_compared_by_one_rule_under_every_policy_before_and_after_its_date() {
    let cases: [Case; 7] = [
        (
            "required",
            |builder| builder.audience_policy(AudiencePolicy::Require),
            0,
            false,
        ),
        (
            "if present",
            |builder| builder.audience_policy(AudiencePolicy::IfPresent),
            0,
            true,
        ),
        ("before, an allowed client", transition_for_clients, 0, true),
        (
            "after, an allowed client",
            transition_for_clients,
            CENTURY,
            false,
        ),
        ("before, a required scope", transition_for_scope, 0, true),
        (
            "after, a required scope",
            transition_for_scope,
            CENTURY,
            false,
        ),
        (
            "before, without that scope",
            |builder| transition(builder).require_scope("files:write"),
            0,
            false,
        ),
    ];
    for (what, policy, seconds, silence_is_accepted) in cases {
        let world = World::with(policy).await;
        world.clock.advance(Duration::from_secs(seconds));
        let (here, elsewhere) = audiences(&world.url());
        for audience in here {
            let reply = presented(&world, Some(&audience)).await;
            // Without the required scope the call has no result, but the token itself is accepted.
            assert_ne!(reply.status, 401, "{what} {audience}");
        }
        let ran = world.runs.total();
        for audience in elsewhere {
            let reply = presented(&world, Some(&audience)).await;
            expect_refused(&reply, MISMATCH, &format!("{what} {audience}"));
        }
        world.expect_runs(ran);
        let silent = presented(&world, None).await;
        if silence_is_accepted {
            silent.expect_text("user_ada");
        } else {
            expect_refused(&silent, MISSING, what);
            world.expect_runs(ran);
        }
        let ran = world.runs.total();
        let malformed = presented(&world, Some(&json!(7))).await;
        expect_refused(&malformed, INVALID, what);
        world.expect_runs(ran);
    }
}

#[actix_web::test]
async fn a_token_that_was_accepted_before_the_date_is_refused_after_it_without_a_restart() {
    for request in [
        TokenRequest::oauth("ada").org("acme"),
        TokenRequest::oauth("ada").org("acme").opaque(),
    ] {
        // This is a minute before the day on which the strict rule begins.
        let clock = TestClock::at(MARCH_1 - 60);
        let world = World::with(|builder| {
            let policy = AudiencePolicy::required_after("2027-03-01");
            let builder = builder.audience_policy(policy).clock(&clock);
            builder.allowed_clients(["client_emulator"])
        })
        .await;
        let token = world.instance.mint(&request, clock.unix_seconds()).unwrap();
        let call = || async {
            let call = world
                .call(Era::Modern, "who_am_i", json!({}))
                .bearer(&token);
            call.send().await
        };
        call().await.expect_text("user_ada");
        call().await.expect_text("user_ada");
        clock.advance(Duration::from_secs(59));
        call().await.expect_text("user_ada");
        clock.advance(Duration::from_secs(1));
        expect_refused(&call().await, MISSING, "after the date");
        world.expect_runs(3);
    }
}

#[actix_web::test]
async fn only_the_refusal_of_a_signed_token_mentions_the_audience() {
    let world = World::with(|builder| builder.audience_policy(AudiencePolicy::Require)).await;
    let token = token(&world, Some(&json!("https://other.example.com")));
    let mut forged = token.into_bytes();
    let last = forged.len() - 8;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let call = world.call(Era::Modern, "who_am_i", json!({}));
    let reply = call.bearer(&forged).send().await;
    expect_refused(&reply, INVALID, "forged");
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_transition_without_a_date_or_without_clients_and_scope_does_not_start() {
    for (builder, error) in [
        (
            transition(mcp_auth::server!()),
            "error    tokens without an audience would be accepted at https://mcp.example.com/mcp [audience-open]\n",
        ),
        (
            mcp_auth::server!()
                .allowed_clients(["client_1"])
                .audience_policy(AudiencePolicy::required_after("soon")),
            "`AudiencePolicy::required_after` takes a day from 1970 on, like 2027-03-01",
        ),
    ] {
        let report = builder
            .tools_of("protocol::tools")
            .state(crate::support::Runs::default())
            .frontend_api_url("clerk.example.com")
            .url("https://mcp.example.com/mcp")
            .check()
            .await
            .to_string();
        assert!(report.contains(error), "{report}");
    }
}

fn transition(builder: ServerBuilder) -> ServerBuilder {
    builder.audience_policy(AudiencePolicy::required_after("2100-01-01"))
}

fn transition_for_clients(builder: ServerBuilder) -> ServerBuilder {
    transition(builder).allowed_clients(["client_emulator", "client_dev"])
}

fn transition_for_scope(builder: ServerBuilder) -> ServerBuilder {
    transition(builder).require_scope("profile")
}

async fn presented(world: &World, audience: Option<&Value>) -> Reply {
    let token = token(world, audience);
    let call = world.call(Era::Modern, "who_am_i", json!({}));
    call.bearer(&token).send().await
}

/// A token of ada with any audience, issued now by the clock of the server.
fn token(world: &World, audience: Option<&Value>) -> String {
    let request = TokenRequest::oauth("ada").org("acme");
    let now = world.clock.unix_seconds();
    let (header, mut claims) = world.instance.token_parts(&request, now).unwrap();
    if let Some(audience) = audience {
        claims["aud"] = audience.clone();
    }
    world.instance.mint_claims(header, claims).unwrap()
}

#[track_caller]
fn expect_refused(reply: &Reply, description: &str, what: &str) {
    assert_eq!(reply.status, 401, "{what}");
    let challenge = reply.challenge();
    let named = format!(r#"error="invalid_token", error_description="{description}""#);
    assert!(challenge.contains(&named), "{what}: {challenge}");
    reply.expect_oauth_error(401, "invalid_token", description);
}

/// The beginning of 1 March 2027 in UTC, in seconds since 1970.
const MARCH_1: u64 = 1_803_859_200;
/// A century in seconds. The clock of a test can be moved by at most five centuries.
const CENTURY: u64 = 100 * 366 * 86_400;
