//! The probes `/healthz` and `/readyz`, in each state of a server.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::{StoredTask, TaskStore};
use serde_json::json;
use tokio::time::sleep;

use crate::raw::Raw;
use crate::stub::{Answer, Stub, no_keys};
use crate::support::{Era, Serving, World};

mod tools {
    use mcp_auth::mcp_tool;

    /// Work as a task.
    #[mcp_tool(task)]
    async fn work() -> &'static str {
        "done"
    }

    /// Tell who is calling.
    #[mcp_tool]
    async fn who_am_i(caller: &mcp_auth::Caller) -> String {
        caller.subject().to_owned()
    }
}

/// Sends a probe with any `Host` and without a token. Returns the status and the body.
async fn probe(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut raw = Raw::connect(address).await;
    raw.write(format!("GET {path} HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n").as_bytes())
        .await;
    let reply = raw.reply().await;
    (reply.status, String::from_utf8(reply.body).unwrap())
}

fn said(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

#[actix_web::test]
async fn a_ready_server_answers_probes_with_one_word_and_without_a_request_to_clerk() {
    let world = World::of("protocol::health::tools", |builder| builder.health_probes()).await;
    let before = world.instance.requests_to("/");
    for _ in 0..50 {
        assert_eq!(
            probe(world.server.address, "/healthz").await,
            said(200, "ok")
        );
        assert_eq!(
            probe(world.server.address, "/readyz").await,
            said(200, "ready")
        );
    }
    assert_eq!(world.instance.requests_to("/"), before);
    // A token that no issuer made is not looked at, so probes count for no limit.
    for _ in 0..20 {
        let reply = world
            .request(reqwest::Method::GET, "/readyz")
            .bearer("bad")
            .send()
            .await;
        assert_eq!(reply.expect_status(200).body, b"ready");
    }
    let reply = world.request(reqwest::Method::POST, "/readyz").send().await;
    assert_eq!(reply.expect_status(405).header("allow"), Some("GET, HEAD"));
    world.still_serves().await;
}

#[actix_web::test]
async fn without_the_setting_the_endpoint_has_no_probes() {
    let world = World::of("protocol::health::tools", |builder| builder).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(probe(world.server.address, path).await.0, 404);
    }
}

#[actix_web::test]
async fn a_server_without_keys_is_alive_and_not_ready_until_the_issuer_answers() {
    let away = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&away);
    let keys = clerk_emulator::Instance::new("http://127.0.0.1:1", Default::default()).unwrap();
    let keys = keys.jwks().to_string();
    let issuer = Stub::start(move |path, url| match path {
        "/.well-known/jwks.json" if asked.load(Ordering::SeqCst) => Answer::status(503),
        "/.well-known/jwks.json" => Answer::json(keys.clone()),
        "/.well-known/oauth-authorization-server" => Answer::json(Stub::metadata(url)),
        _ => no_keys(),
    });
    let clock = mcp_auth::testing::TestClock::new();
    let server = mcp_auth::server!()
        .frontend_api_url(issuer.url())
        .tools_of("protocol::health::tools")
        .clock(&clock)
        .health_probes();
    let server = Serving::start(server).await;
    for _ in 0..20 {
        assert_eq!(probe(server.address, "/healthz").await, said(200, "ok"));
        assert_eq!(probe(server.address, "/readyz").await, said(503, "unready"));
    }
    // The clock stands still, so no fetch is due, whatever number of probes arrives.
    let asked = issuer.requests_to("/.well-known/jwks.json");
    assert!(asked <= 2, "{asked} fetches");
    away.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(10));
    let mut answer = probe(server.address, "/readyz").await;
    for _ in 0..200 {
        if answer.0 == 200 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
        answer = probe(server.address, "/readyz").await;
    }
    assert_eq!(answer, said(200, "ready"));
}

/// A store of tasks that can be switched off.
#[derive(Clone, Default)]
struct Store {
    is_down: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

type Stored<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

impl Store {
    fn answer<T: Send + 'static>(&self, value: T) -> Stored<'_, T> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let is_down = self.is_down.load(Ordering::SeqCst);
        Box::pin(async move {
            match is_down {
                true => Err("the database is down".into()),
                false => Ok(value),
            }
        })
    }
}

impl TaskStore for Store {
    fn create(&self, _task: StoredTask) -> Stored<'_, bool> {
        self.answer(true)
    }

    fn load<'a>(&'a self, _id: &'a str) -> Stored<'a, Option<StoredTask>> {
        self.answer(None)
    }

    fn replace(&self, _task: StoredTask) -> Stored<'_, bool> {
        self.answer(true)
    }
}

#[actix_web::test]
async fn a_server_whose_store_is_down_is_not_ready_and_probes_do_not_flood_the_store() {
    let store = Store::default();
    let kept = store.clone();
    let world = World::of("protocol::health::tools", |builder| {
        builder.task_store(kept).health_probes()
    })
    .await;
    assert_eq!(
        probe(world.server.address, "/readyz").await,
        said(200, "ready")
    );
    store.is_down.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(5));
    for _ in 0..30 {
        assert_eq!(
            probe(world.server.address, "/readyz").await,
            said(503, "unready")
        );
    }
    assert_eq!(
        probe(world.server.address, "/healthz").await,
        said(200, "ok")
    );
    assert_eq!(store.asked.load(Ordering::SeqCst), 2);
    store.is_down.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(
        probe(world.server.address, "/readyz").await,
        said(200, "ready")
    );
}

#[actix_web::test]
async fn a_server_that_stops_says_so_first_and_serves_while_it_drains() {
    let mut world = World::of("protocol::health::tools", |builder| {
        builder
            .health_probes()
            .drain_delay(Duration::from_millis(700))
            .metrics("127.0.0.1:0")
    })
    .await;
    let ada = world.mint(&TokenRequest::oauth("ada"));
    let (endpoint, metrics) = (world.server.address, world.server.metrics.unwrap());
    let stopped = world.server.stop();
    let mut answer = probe(endpoint, "/readyz").await;
    for _ in 0..50 {
        if answer.0 == 503 {
            break;
        }
        sleep(Duration::from_millis(5)).await;
        answer = probe(endpoint, "/readyz").await;
    }
    assert_eq!(answer, said(503, "stopping"));
    assert_eq!(probe(metrics, "/readyz").await, said(503, "stopping"));
    assert_eq!(probe(metrics, "/healthz").await, said(200, "ok"));
    // New connections and calls are still served.
    world
        .call(Era::Legacy, "who_am_i", json!({}))
        .bearer(&ada)
        .send()
        .await
        .expect_text("user_ada");
    stopped.await.unwrap();
    let refused = tokio::net::TcpStream::connect(endpoint).await;
    assert!(refused.is_err(), "the server still listens");
}
