//! Clients that vanish while a person should answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::Notifier;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::{Events, Session};
use crate::elicitation::{ask, questions, tool};
use crate::support::{Era, World, client};

mod tools {
    use std::thread;

    use mcp_auth::{Context, Json, State, ToolError, mcp_tool};
    use tokio::runtime::Handle;

    use super::{Counted, Running};

    /// Ask before the work is done.
    #[mcp_tool]
    async fn ask(running: &State<Running>, cx: &Context) -> Result<&'static str, ToolError> {
        let _running = Counted::of(running);
        cx.elicit::<()>("Go on?").await?;
        Ok("went on")
    }

    /// Name this worker, and count its tasks.
    #[mcp_tool]
    async fn count() -> Json<(String, usize)> {
        let worker = format!("{:?}", thread::current().id());
        Json((worker, Handle::current().metrics().num_alive_tasks()))
    }
}

/// The number of functions that run.
#[derive(Clone, Default)]
struct Running(Arc<AtomicUsize>);

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn of(running: &Running) -> Self {
        running.0.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&running.0))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn world() -> (World, Running, Notifier) {
    let (running, mut notifier) = (Running::default(), Notifier::default());
    let state = running.clone();
    let world = World::of("protocol::sessions::vanishing::tools", |builder| {
        notifier = builder.notifier();
        builder.state(state).legacy_sessions()
    })
    .await;
    for user in 0..USERS {
        world
            .instance
            .set_member(&name(user), "acme", "member", &[]);
    }
    (world, running, notifier)
}

fn name(user: usize) -> String {
    format!("user{user}")
}

fn token(world: &World, user: usize) -> String {
    world.mint(&TokenRequest::oauth(name(user)).org("acme"))
}

/// The number of tasks of all workers. Each new connection reaches one of them.
async fn tasks(world: &World) -> usize {
    let ada = world.ada();
    let mut workers = HashMap::new();
    for _ in 0..12 {
        let ask = world.call(Era::Legacy, "count", json!({})).bearer(&ada);
        let reply = ask.over(&client()).send().await.result();
        let count = reply["structuredContent"]["result"].clone();
        let (worker, tasks): (String, usize) = serde_json::from_value(count).unwrap();
        workers.insert(worker, tasks);
    }
    workers.values().sum()
}

async fn question(events: &mut Events) -> Value {
    loop {
        let message = events.next().await.expect("no question").message;
        if let Some(message) = message {
            assert_eq!(message["method"], "elicitation/create");
            return message;
        }
    }
}

#[actix_web::test]
async fn two_hundred_open_questions_of_sessions_leave_nothing_when_their_clients_vanish() {
    let (world, running, notifier) = world().await;
    let before = tasks(&world).await;
    let tokens: Vec<_> = (0..USERS).map(|user| token(&world, user)).collect();
    let mut open = Vec::new();
    for token in &tokens {
        let session = Session::open(&world, token).await;
        for _ in 0..QUESTIONS {
            let mut events = session.stream(session.call("ask", json!({}))).await;
            question(&mut events).await;
            open.push(events);
        }
    }
    assert_eq!(open.len(), 200);
    // A function that waits for a person does not run.
    assert_eq!(running.0.load(Ordering::SeqCst), 0);
    assert_eq!(notifier.subscriptions(), USERS);
    let waiting = tasks(&world).await;
    assert!(waiting >= before + 200, "{before} {waiting}");
    drop(open);
    // A client may come back and resume its stream until its session ends.
    world.clock.advance(Duration::from_secs(24 * 60 * 60));
    let other = Session::open(&world, &world.ada()).await;
    assert_eq!(notifier.subscriptions(), 1);
    let mut left = usize::MAX;
    for _ in 0..100 {
        left = tasks(&world).await;
        if left <= before + SLACK {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(left <= before + SLACK, "{before} {left}");
    assert_eq!(running.0.load(Ordering::SeqCst), 0);
    // Everything is served as before.
    let mut events = other.stream(other.call("ask", json!({}))).await;
    let id = question(&mut events).await["id"].clone();
    let yes = json!({ "action": "accept", "content": {} });
    let answer = json!({ "jsonrpc": "2.0", "id": id, "result": yes });
    other.post(&answer).send().await.expect_status(202);
    assert_eq!(events.rest().await.pop().unwrap().text(), "went on");
}

#[actix_web::test]
async fn two_hundred_open_questions_of_modern_clients_hold_nothing() {
    let (world, running, _) = world().await;
    let before = tasks(&world).await;
    let mut states = Vec::new();
    for user in 0..USERS {
        let token = token(&world, user);
        for _ in 0..QUESTIONS {
            let asked = ask(&world, "tools/call", tool("ask", &json!({})));
            let reply = asked.bearer(&token).over(&client()).send().await;
            states.push(questions(&reply).1);
        }
    }
    assert_eq!(states.len(), 200);
    assert_eq!(running.0.load(Ordering::SeqCst), 0);
    let after = tasks(&world).await;
    assert!(after <= before + SLACK, "{before} {after}");
}

const USERS: usize = 20;
const QUESTIONS: usize = 10;
/// Tasks that the server itself starts and ends meanwhile.
const SLACK: usize = 20;
