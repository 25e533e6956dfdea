//! The measurements. The steps are the server's own code, without a network: the local Clerk is
//! called only before a measurement.

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::rt::System;
use bytes::Bytes;
use clerk_emulator::{Emulator, EmulatorOptions, TokenRequest};
use criterion::Criterion;
use futures_util::FutureExt;
use mcp_auth::__bench::{Steps, is_message, is_readable};
use mcp_auth::{AuthorizedParties, Rate, ServerBuilder};
use serde_json::{Value, json};

use crate::more;

pub(crate) fn run() {
    System::new().block_on(async {
        let clerk = Emulator::start(EmulatorOptions::default()).await.unwrap();
        let mut criterion = Criterion::default()
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(3))
            .configure_from_args();
        tokens(&mut criterion, &clerk).await;
        guards(&mut criterion, &clerk).await;
        messages(&mut criterion);
        calls(&mut criterion, &clerk).await;
        criterion.final_summary();
    });
}

async fn tokens(criterion: &mut Criterion, clerk: &Emulator) {
    let token = mint(clerk, TokenRequest::oauth("ada"));
    let steps = steps(clerk, |server| server).await;
    steps.authenticate(&token).await.unwrap();
    criterion.bench_function("token/cached", |bencher| {
        bencher.iter(|| steps.cached(black_box(&token)).unwrap());
    });
    criterion.bench_function("token/read", |bencher| {
        bencher.iter(|| assert!(is_readable(black_box(&token))));
    });
    // No verification is cached, so every token counts as new.
    let forgetful = self::steps(clerk, |server| server.token_cache_age(Duration::ZERO)).await;
    criterion.bench_function("token/verify", |bencher| {
        bencher.iter(|| now(forgetful.authenticate(black_box(&token))).unwrap());
    });
}

async fn guards(criterion: &mut Criterion, clerk: &Emulator) {
    let steps = steps(clerk, |server| server).await;
    for (name, token, allowed) in [
        ("guard/allow", TokenRequest::session("ada"), true),
        ("guard/deny", TokenRequest::session("grace"), false),
        ("guard/allow looked up", TokenRequest::oauth("ada"), true),
    ] {
        let token = mint(clerk, token.org("acme"));
        let caller = steps.authenticate(&token).await.unwrap();
        steps.organization(&caller).await.unwrap();
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let organization = now(steps.organization(black_box(&caller)));
                let is_allowed = steps.allows("guarded_add", &caller, organization.as_ref());
                assert_eq!(is_allowed, allowed);
            });
        });
    }
}

fn messages(criterion: &mut Criterion) {
    for (name, body) in [
        ("message/add", message("tools/call", add())),
        ("message/echo 64 KiB", message("tools/call", echo())),
    ] {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| assert!(is_message(black_box(&body))));
        });
    }
}

async fn calls(criterion: &mut Criterion, clerk: &Emulator) {
    let steps = steps(clerk, |server| {
        server
            .page_size(10_000)
            .serve_if(|tool| more::is_served(tool, 100))
    })
    .await;
    let token = mint(clerk, TokenRequest::session("ada").org("acme"));
    let ada = steps.authenticate(&token).await.unwrap();
    for (name, method, tool, params) in [
        ("call/add", "tools/call", Some("add"), add()),
        ("call/echo 64 KiB", "tools/call", Some("echo"), echo()),
        ("call/list of 100", "tools/list", None, json!({})),
    ] {
        let body = Bytes::from(message(method, params));
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| now(steps.handle(method, tool, &ada, body.clone())).unwrap());
        });
    }
}

async fn steps(clerk: &Emulator, set: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Steps {
    let server = mcp_auth::server!()
        .frontend_api_url(clerk.url())
        .api_url(clerk.url())
        .secret_key(clerk.instance().secret_key().expose())
        .session_tokens(AuthorizedParties::any())
        // Like by default calls are counted, but the rate is so high that none is refused.
        .rates([Rate::new("4294967295/min per user")]);
    Steps::of(set(server).build().await.unwrap())
}

/// The result of a step that does not wait.
fn now<T>(step: impl Future<Output = T>) -> T {
    step.now_or_never().expect("nothing to wait for")
}

/// A token that is valid for a day.
#[expect(
    clippy::disallowed_methods,
    reason = "the server uses the system's clock"
)]
fn mint(clerk: &Emulator, request: TokenRequest) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let request = request.expires_in(24 * 60 * 60);
    clerk.instance().mint(&request, now.as_secs()).unwrap()
}

fn add() -> Value {
    json!({ "name": "add", "arguments": { "a": 1, "b": 2 } })
}

fn echo() -> Value {
    json!({ "name": "echo", "arguments": { "text": "0123456789abcdef".repeat(4096) } })
}

fn message(method: &str, mut params: Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "micro", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}
