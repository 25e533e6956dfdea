//! Declared limits: `rate` and `concurrency` of a tool, and the rates of the server.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer};
use clerk_emulator::TokenRequest;
use futures_util::future::join_all;
use mcp_auth::testing::TestClock;
use mcp_auth::{ApiKeyScopes, AuthorizedParties, Rate, ServerBuilder};
use serde_json::{Value, json};

use crate::parked::Gate;
use crate::process::without_code;
use crate::reply::Reply;
use crate::support::{
    ERAS, Era, LEGACY, PERMISSION_DENIED, Runs, World, builder, client, emulator, eventually,
    message,
};

mod tools {
    use mcp_auth::{State, mcp_tool};

    use crate::parked::Gate;
    use crate::support::Runs;

    #[mcp_tool(rate = "100/min per user")]
    async fn hundred(runs: &State<Runs>) {
        runs.count();
    }

    #[mcp_tool(rate = "2/min per user")]
    async fn per_user(runs: &State<Runs>) -> &'static str {
        runs.count();
        "ran"
    }

    #[mcp_tool(require_org, rate = "2/hour per org")]
    async fn per_org(runs: &State<Runs>) {
        runs.count();
    }

    #[mcp_tool(rate = "2/day per client")]
    async fn per_client(runs: &State<Runs>) {
        runs.count();
    }

    #[mcp_tool(public, rate = all("2/min per user", "3/min per client"))]
    async fn for_everybody(runs: &State<Runs>) -> &'static str {
        runs.count();
        "ran"
    }

    #[mcp_tool(permission = "org:documents:delete", rate = "3/min per org")]
    async fn delete(id: u8, runs: &State<Runs>) -> u8 {
        runs.count();
        id
    }

    #[mcp_tool(require_org, rate = all("1/s per user", "3/min per org"))]
    async fn twice_limited(runs: &State<Runs>) {
        runs.count();
    }

    #[mcp_tool]
    async fn unlimited(runs: &State<Runs>) {
        runs.count();
    }

    #[mcp_tool(concurrency = 2, rate = "3/min per user")]
    async fn two_at_a_time(gate: &State<Gate>) -> &'static str {
        gate.pass("two_at_a_time").await;
        "ran"
    }

    #[mcp_tool(concurrency = 1)]
    fn one_thread(latch: &State<super::Latch>) {
        latch.pass();
    }
}

mod lost {
    use mcp_auth::mcp_tool;

    #[mcp_tool(rate = "1000/hour per org")]
    async fn nowhere() {}
}

/// Blocks threads until its sender is dropped.
#[derive(Clone, Debug)]
struct Latch {
    entered: Arc<AtomicUsize>,
    door: Arc<Mutex<Receiver<()>>>,
}

impl Latch {
    fn closed() -> (Self, Sender<()>) {
        let (open, door) = channel();
        let latch = Self {
            entered: Arc::default(),
            door: Arc::new(Mutex::new(door)),
        };
        (latch, open)
    }

    fn pass(&self) {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let _ = self.door.lock().unwrap().recv();
    }
}

async fn world(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    world_with(&Gate::closed(), &Latch::closed().0, settings).await
}

/// A world whose tools wait at these gates.
async fn world_with(
    gate: &Gate,
    latch: &Latch,
    settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> World {
    let (gate, latch) = (gate.clone(), latch.clone());
    World::of("protocol::rates::tools", |builder| {
        settings(builder.state(gate).state(latch))
    })
    .await
}

/// Calls a tool with this token `calls` times, one call after the other. Returns the number of
/// allowed calls.
async fn allowed(world: &World, token: &str, tool: &str, calls: usize) -> usize {
    let mut allowed = 0;
    for _ in 0..calls {
        let reply = world
            .call(Era::Modern, tool, json!({}))
            .bearer(token)
            .send();
        let reply = reply.await;
        match retry_after(&reply) {
            Some(_) => assert_eq!(reply.result()["isError"], true),
            None => {
                assert_ne!(reply.result()["isError"], true);
                allowed += 1;
            }
        }
    }
    allowed
}

fn retry_after(reply: &Reply) -> Option<u64> {
    reply.result()["_meta"]["mcp-auth-rs/retryAfter"].as_u64()
}

#[actix_web::test]
async fn eight_workers_allow_exactly_a_hundred_of_a_thousand_calls() {
    let clerk = emulator().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let runs = Runs::default();
    let server = builder(&clerk)
        .tools_of("protocol::rates::tools")
        .state(runs.clone())
        .state(Gate::closed())
        .state(Latch::closed().0)
        .url(&url)
        .build()
        .await
        .unwrap();
    let http = HttpServer::new(move || App::new().configure(server.routes()))
        .workers(8)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
    let handle = http.handle();
    let running = actix_web::rt::spawn(http);
    let mint = |request: &TokenRequest| {
        let now = TestClock::new().unix_seconds();
        clerk.instance().mint(request, now).unwrap()
    };
    // The clients of a user share a limit.
    let tokens = [
        mint(&TokenRequest::oauth("ada")),
        mint(&TokenRequest::oauth("ada").client_id("client_other")),
    ];
    let body = message("tools/call", json!({ "name": "hundred", "arguments": {} }));
    let start = Instant::now();
    let connections = (0..20).map(|connection| {
        let (http, token, body, url) = (client(), &tokens[connection % 2], &body, &url);
        async move {
            let mut limited = 0;
            for _ in 0..50 {
                let request = http.post(url).bearer_auth(token).body(body.clone());
                let request = request
                    .header("content-type", "application/json")
                    .header("accept", "application/json")
                    .header("mcp-protocol-version", LEGACY);
                let reply = Reply::read(request.send().await.unwrap()).await;
                limited += usize::from(retry_after(&reply).is_some());
            }
            limited
        }
    });
    let limited: usize = join_all(connections).await.into_iter().sum();
    assert!(start.elapsed() < Duration::from_secs(60), "one window");
    assert_eq!((runs.total(), limited), (100, 900));
    handle.stop(false).await;
    running.await.unwrap().unwrap();
}

#[actix_web::test]
async fn a_limited_call_says_when_to_retry_and_is_allowed_when_the_window_is_over() {
    for era in ERAS {
        let world = world(|builder| builder).await;
        let ada = world.ada();
        let call = || world.call(era, "per_user", json!({})).bearer(&ada).send();
        call().await.expect_text("ran");
        world.clock.advance(Duration::from_millis(17_500));
        call().await.expect_text("ran");
        let reply = call().await;
        reply.expect_status(200);
        reply.expect_tool_error("Rate limit: 2 calls a minute per user; retry in 43 s");
        assert_eq!(retry_after(&reply), Some(43));
        world.clock.advance(Duration::from_millis(42_499));
        assert_eq!(retry_after(&call().await), Some(1));
        world.expect_runs(2);
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(allowed(&world, &ada, "per_user", 5).await, 2);
        world.expect_runs(4);
    }
}

#[actix_web::test]
async fn calls_count_together_by_user_organization_and_client() {
    let world = world(|builder| builder.session_tokens(AuthorizedParties::any())).await;
    let other = |user: &str| world.mint(&TokenRequest::oauth(user).org("acme").client_id("other"));
    let (ada, grace) = (world.ada(), world.grace());
    // All clients, organizations and kinds of tokens of a user share a limit. Each user has a
    // separate limit.
    assert_eq!(allowed(&world, &ada, "per_user", 1).await, 1);
    assert_eq!(allowed(&world, &other("ada"), "per_user", 1).await, 1);
    let bare = world.mint(&TokenRequest::oauth("ada"));
    let session = world.mint(&TokenRequest::session("ada"));
    for token in [&ada, &other("ada"), &bare, &session] {
        assert_eq!(allowed(&world, token, "per_user", 2).await, 0);
    }
    assert_eq!(allowed(&world, &grace, "per_user", 3).await, 2);
    // The members of an organization share a limit. Each organization has a separate limit.
    assert_eq!(allowed(&world, &ada, "per_org", 1).await, 1);
    assert_eq!(allowed(&world, &grace, "per_org", 3).await, 1);
    let globex = world.mint(&TokenRequest::oauth("margaret").org("globex"));
    assert_eq!(allowed(&world, &globex, "per_org", 3).await, 2);
    let reply = world.call(Era::Modern, "per_org", json!({})).bearer(&grace);
    let told = "Rate limit: 2 calls an hour per organization; retry in 3600 s";
    reply.send().await.expect_tool_error(told);
    // The users of a client share a limit. Each client has a separate limit, and a token without a
    // client counts by its user.
    assert_eq!(allowed(&world, &ada, "per_client", 1).await, 1);
    assert_eq!(allowed(&world, &grace, "per_client", 3).await, 1);
    assert_eq!(allowed(&world, &other("grace"), "per_client", 3).await, 2);
    assert_eq!(allowed(&world, &session, "per_client", 3).await, 2);
    let reply = world
        .call(Era::Modern, "per_client", json!({}))
        .bearer(&ada);
    let told = "Rate limit: 2 calls a day per client; retry in 86400 s";
    reply.send().await.expect_tool_error(told);
}

#[actix_web::test]
async fn machines_and_organizations_with_an_api_key_count_as_users() {
    let world = world(|builder| {
        let builder = builder.m2m_tokens().machine_id("mch_mcp");
        builder.api_keys(ApiKeyScopes::any_key())
    })
    .await;
    let machine = world.mint(&TokenRequest::m2m("billing"));
    let keys = ["acme", "acme", "globex"].map(|org| world.mint(&TokenRequest::org_api_key(org)));
    assert_eq!(allowed(&world, &machine, "per_user", 3).await, 2);
    assert_eq!(allowed(&world, &keys[0], "per_user", 1).await, 1);
    assert_eq!(allowed(&world, &keys[1], "per_user", 3).await, 1);
    assert_eq!(allowed(&world, &keys[2], "per_user", 3).await, 2);
    for (token, whom) in [(&machine, "machine"), (&keys[0], "organization")] {
        let call = world.call(Era::Modern, "per_user", json!({})).bearer(token);
        let told = format!("Rate limit: 2 calls a minute per {whom}; retry in 60 s");
        call.send().await.expect_tool_error(&told);
    }
}

#[actix_web::test]
async fn callers_without_a_token_count_by_their_network() {
    let world = world(|builder| builder).await;
    let call = || world.call(Era::Modern, "for_everybody", json!({}));
    for address in ["127.0.0.2", "127.0.0.3"] {
        for _ in 0..2 {
            call().from(address).send().await.expect_text("ran");
        }
        let reply = call().from(address).send().await;
        reply.expect_tool_error("Rate limit: 2 calls a minute per network; retry in 60 s");
    }
    // A caller with a token counts by the user, at every address.
    assert_eq!(allowed(&world, &world.ada(), "for_everybody", 3).await, 2);
    let grace = call().bearer(&world.grace()).from("127.0.0.2");
    grace.send().await.expect_text("ran");
}

#[actix_web::test]
async fn the_rates_of_a_tool_count_allowed_calls_with_any_arguments() {
    let world = world(|builder| builder).await;
    let call = |token: &str, arguments: Value| {
        let call = world.call(Era::Modern, "delete", arguments);
        call.bearer(token).send()
    };
    let (ada, grace) = (world.ada(), world.grace());
    for _ in 0..5 {
        let denied = call(&grace, json!({ "id": 1 })).await;
        assert_eq!(denied.text(), PERMISSION_DENIED);
    }
    call(&ada, json!({ "id": 1 })).await.expect_text("1");
    let wrong = call(&ada, json!({ "id": "one" })).await;
    assert_eq!(retry_after(&wrong), None);
    assert_eq!(wrong.result()["isError"], true);
    call(&ada, json!({ "id": 2 })).await.expect_text("2");
    // The arguments of a limited call are not read.
    let limited = call(&ada, json!({ "id": "one" })).await;
    assert_eq!(retry_after(&limited), Some(60));
    // A denied caller does not learn of the limit.
    let denied = call(&grace, json!({ "id": 1 })).await;
    assert_eq!(denied.text(), PERMISSION_DENIED);
    world.expect_runs(2);
}

#[actix_web::test]
async fn a_call_counts_under_all_its_rates_or_under_none() {
    let world = world(|builder| builder.rates([Rate::new("5/min per user")])).await;
    let (ada, grace) = (world.ada(), world.grace());
    // One of ada's calls is allowed. The other calls count neither for her organization nor for the
    // server.
    assert_eq!(allowed(&world, &ada, "twice_limited", 10).await, 1);
    assert_eq!(allowed(&world, &grace, "twice_limited", 10).await, 1);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(allowed(&world, &ada, "twice_limited", 10).await, 1);
    // The organization has used its three calls, so grace's next call does not count for grace.
    let reply = world.call(Era::Modern, "twice_limited", json!({}));
    let reply = reply.bearer(&grace).send().await;
    reply.expect_tool_error("Rate limit: 3 calls a minute per organization; retry in 59 s");
    // ada has used two of her five calls of all tools, grace one.
    assert_eq!(allowed(&world, &ada, "unlimited", 10).await, 3);
    assert_eq!(allowed(&world, &grace, "unlimited", 10).await, 4);
    let reply = world.call(Era::Modern, "unlimited", json!({}));
    let reply = reply.bearer(&ada).send().await;
    reply.expect_tool_error("Rate limit: 5 calls a minute per user; retry in 59 s");
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(allowed(&world, &ada, "twice_limited", 1).await, 1);
    assert_eq!(allowed(&world, &grace, "unlimited", 10).await, 5);
}

#[actix_web::test]
async fn the_rates_of_the_server_count_denied_calls_and_only_calls_of_its_tools() {
    let world = world(|builder| builder.rates([Rate::new("3/min per user")])).await;
    let grace = world.grace();
    for _ in 0..4 {
        let list = world.list(Era::Modern).bearer(&grace).send().await;
        assert!(!list.tools().is_empty());
        let unknown = world.call(Era::Modern, "no_such_tool", json!({}));
        let unknown = unknown.bearer(&grace).send().await;
        unknown.expect_rpc_error(200, -32602);
    }
    let delete = || {
        let call = world.call(Era::Modern, "delete", json!({ "id": 1 }));
        call.bearer(&grace).send()
    };
    assert_eq!(delete().await.text(), PERMISSION_DENIED);
    assert_eq!(delete().await.text(), PERMISSION_DENIED);
    assert_eq!(allowed(&world, &grace, "unlimited", 3).await, 1);
    delete()
        .await
        .expect_tool_error("Rate limit: 3 calls a minute per user; retry in 60 s");
    assert_eq!(allowed(&world, &world.ada(), "unlimited", 5).await, 3);
}

#[actix_web::test]
async fn a_rate_of_the_server_per_organization_counts_by_user_without_one() {
    let world = world(|builder| builder.rates([Rate::new("2/min per org")])).await;
    // A tool without an organization causes no look-up, so its calls count by the user.
    assert_eq!(allowed(&world, &world.ada(), "unlimited", 3).await, 2);
    assert_eq!(allowed(&world, &world.grace(), "unlimited", 3).await, 2);
    assert_eq!(allowed(&world, &world.ada(), "per_org", 3).await, 2);
    assert_eq!(allowed(&world, &world.grace(), "per_org", 3).await, 0);
}

#[actix_web::test]
async fn calls_beyond_the_concurrency_limit_are_refused_and_count_under_no_rate() {
    let gate = Gate::closed();
    let world = world_with(&gate, &Latch::closed().0, |builder| builder).await;
    let (ada, grace) = (world.ada(), world.grace());
    let call = |token: &str| {
        world
            .call(Era::Modern, "two_at_a_time", json!({}))
            .bearer(token)
            .send()
    };
    let running = [&ada, &grace].map(|token| actix_web::rt::spawn(call(token)));
    eventually("both calls run", || gate.entered() == 2).await;
    for token in [&ada, &grace] {
        for _ in 0..5 {
            let reply = call(token).await;
            reply.expect_tool_error("Concurrency limit: 2 calls at a time; retry in 1 s");
            assert_eq!(retry_after(&reply), Some(1));
        }
    }
    gate.open();
    for running in running {
        running.await.unwrap().expect_text("ran");
    }
    assert_eq!(allowed(&world, &ada, "two_at_a_time", 5).await, 2);
    let reply = call(&ada).await;
    reply.expect_tool_error("Rate limit: 3 calls a minute per user; retry in 60 s");
}

#[actix_web::test]
async fn a_plain_function_occupies_its_place_until_it_has_ended() {
    let (latch, open) = Latch::closed();
    let world = world_with(&Gate::closed(), &latch, |builder| {
        builder.timeout(Duration::from_millis(10))
    })
    .await;
    let ada = world.ada();
    let call = || {
        world
            .call(Era::Modern, "one_thread", json!({}))
            .bearer(&ada)
            .send()
    };
    let late = call().await;
    assert!(late.text().starts_with("Internal error"), "{}", late.text());
    assert_eq!(latch.entered.load(Ordering::SeqCst), 1);
    let told = "Concurrency limit: 1 call at a time; retry in 1 s";
    call().await.expect_tool_error(told);
    drop(open);
    let deadline = Instant::now() + Duration::from_secs(10);
    while retry_after(&call().await).is_some() {
        assert!(Instant::now() < deadline, "the place is never free");
    }
    assert_eq!(latch.entered.load(Ordering::SeqCst), 2);
}

#[actix_web::test]
async fn a_rate_per_organization_of_a_tool_that_requires_none_does_not_start() {
    let server = builder(&emulator().await).tools_of("protocol::rates::lost");
    let error = server.build().await.unwrap_err().to_string();
    let told = "tool `nowhere` has the rate `1000/hour per org`, but does not require an organization; \
                add `require_org`, or count `per user`";
    assert!(without_code(&error).ends_with(told), "{error}");
}
