//! Tools that are plain functions. They block their own thread and no other.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use mcp_auth::ServerBuilder;
use mcp_auth::testing::{TestServer, TestUser};
use serde_json::json;

use crate::support::{ERAS, World, eventually};

mod tools {
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use mcp_auth::{Caller, Context, FromContext, Json, Org, State, ToolError, mcp_tool};

    /// Blocks threads until it is opened.
    #[derive(Clone, Debug, Default)]
    pub(super) struct Latch(Arc<(Mutex<Counts>, Condvar)>);

    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub(super) struct Counts {
        pub(super) entered: usize,
        pub(super) left: usize,
        open: bool,
    }

    impl Latch {
        pub(super) fn counts(&self) -> (usize, usize) {
            let counts = *self.0.0.lock().unwrap();
            (counts.entered, counts.left)
        }

        pub(super) fn open(&self) {
            self.0.0.lock().unwrap().open = true;
            self.0.1.notify_all();
        }

        fn pass(&self) {
            let (counts, changed) = &*self.0;
            let mut counts = counts.lock().unwrap();
            counts.entered += 1;
            while !counts.open {
                counts = changed.wait(counts).unwrap();
            }
            counts.left += 1;
        }
    }

    /// Wait on the thread.
    #[mcp_tool]
    fn block(latch: &State<Latch>) -> &'static str {
        latch.pass();
        "passed"
    }

    /// Answer at once.
    #[mcp_tool]
    async fn quick() -> &'static str {
        "quick"
    }

    #[mcp_tool]
    fn explode() -> String {
        panic!("password=hunter2")
    }

    #[mcp_tool]
    fn fail(text: String) -> Result<String, ToolError> {
        Err(ToolError::new(text))
    }

    #[mcp_tool(permission = "org:documents:delete")]
    fn delete(latch: &State<Latch>) {
        latch.pass();
    }

    /// A state that is created by waiting for a timer.
    struct Slow(&'static str);

    impl FromContext for Slow {
        type Parts = ();

        async fn from_context(cx: &Context, (): ()) -> Result<Self, ToolError> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Self(cx.tool_name()))
        }
    }

    #[mcp_tool(require_org)]
    fn borrows(
        text: String,
        caller: &Caller,
        org: &Org,
        context: &Context,
        slow: &Slow,
        nobody: Option<&Org>,
    ) -> Json<Vec<String>> {
        let name = std::thread::current().name().map(str::to_owned);
        Json(vec![
            text,
            caller.subject().to_owned(),
            (org.id() == nobody.unwrap().id()).to_string(),
            context.tool_name().to_owned(),
            slow.0.to_owned(),
            name.unwrap_or_default(),
        ])
    }

    /// Blocks until it is opened.
    #[derive(Clone, Debug, Default)]
    pub(super) struct Gate(pub(super) Arc<tokio::sync::Notify>);

    async fn opened(gate: &State<Gate>) -> bool {
        gate.0.notified().await;
        true
    }

    /// Pass the latch, once the gate is open.
    #[mcp_tool(authorize = opened(gate))]
    fn behind_gate(gate: &State<Gate>, latch: &State<Latch>) {
        latch.pass();
    }

    /// Wait for another runtime, as blocking clients do.
    #[mcp_tool]
    fn nested() -> &'static str {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            "nested"
        })
    }
}

fn server(
    latch: &tools::Latch,
    settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> TestServer {
    let builder = mcp_auth::server!().tools_of("protocol::plain::tools");
    let builder = builder.state(latch.clone()).state(tools::Gate::default());
    TestServer::of(settings(builder))
}

async fn blocked(user: &TestUser<'_>) -> String {
    user.call("block", json!({})).await.text().to_owned()
}

#[actix_web::test]
async fn a_blocking_function_delays_no_other_call_of_its_worker() {
    for legacy in [false, true] {
        let latch = tools::Latch::default();
        let server = server(&latch, |builder| builder);
        let user = server.user("ada");
        let user = if legacy { user.legacy() } else { user };
        // The whole test runs on one thread, like a worker.
        let others = async {
            eventually("the function blocks", || latch.counts().0 == 1).await;
            for _ in 0..10 {
                assert_eq!(user.call("quick", json!({})).await.text(), "quick");
            }
            assert_eq!(latch.counts(), (1, 0));
            latch.open();
        };
        let (text, ()) = futures_util::join!(blocked(&user), others);
        assert_eq!(text, "passed");
    }
}

#[actix_web::test]
async fn injected_values_are_borrowed_on_the_thread() {
    let server = server(&tools::Latch::default(), |builder| builder);
    let user = server.user("ada").org("acme");
    let answer = user.call("borrows", json!({ "text": "tea" })).await;
    let expected = json!({
        "result": ["tea", "user_ada", "true", "borrows", "borrows", "mcp-auth-tool"]
    });
    assert_eq!(answer.json::<serde_json::Value>(), expected);
}

#[actix_web::test]
async fn a_function_can_wait_for_its_own_runtime() {
    let server = server(&tools::Latch::default(), |builder| builder);
    let answer = server.user("ada").call("nested", json!({})).await;
    assert_eq!(answer.expect_ok().text(), "nested");
}

#[actix_web::test]
async fn a_panic_or_an_error_of_a_function_is_reported_like_that_of_any_tool() {
    let server = server(&tools::Latch::default(), |builder| builder.tool_threads(1));
    let user = server.user("ada");
    for _ in 0..5 {
        let answer = user.call("explode", json!({})).await;
        answer.expect_error_with("Internal error, reference ");
        assert!(!answer.text().contains("hunter2"));
        let answer = user.call("fail", json!({ "text": "No luck" })).await;
        answer.expect_error("No luck");
        let answer = user.call("fail", json!({ "text": 1 })).await;
        answer.expect_error_with("Invalid argument `text`");
    }
}

#[actix_web::test]
async fn a_function_is_reached_only_through_its_guard() {
    let latch = tools::Latch::default();
    latch.open();
    let server = server(&latch, |builder| builder);
    let user = server.user("ada").org("acme");
    let denied = user.call("delete", json!({})).await;
    denied.expect_denied("Forbidden: org:documents:delete permission required");
    server
        .anonymous()
        .call("delete", json!({}))
        .await
        .expect_unauthorized();
    assert_eq!(latch.counts(), (0, 0));
    user.permission("org:documents:delete")
        .call("delete", json!({}))
        .await
        .expect_ok();
    assert_eq!(latch.counts(), (1, 1));
}

#[actix_web::test]
async fn at_most_the_configured_number_of_functions_run_at_once() {
    // One user gets half of the threads.
    for most in [1, 3] {
        let latch = tools::Latch::default();
        let server = server(&latch, |builder| builder.tool_threads(2 * most));
        let user = server.user("ada");
        let calls = join_all((0..5).map(|_| blocked(&user)));
        let others = async {
            eventually("all threads block", || latch.counts().0 == most).await;
            for _ in 0..10 {
                assert_eq!(user.call("quick", json!({})).await.text(), "quick");
            }
            assert_eq!(latch.counts(), (most, 0));
            latch.open();
        };
        let (texts, ()) = futures_util::join!(calls, others);
        assert_eq!(texts, ["passed"; 5]);
        assert_eq!(latch.counts(), (5, 5));
    }
}

#[actix_web::test]
async fn a_function_that_times_out_keeps_its_thread_and_its_place_until_it_ends() {
    let latch = tools::Latch::default();
    let server = server(&latch, |builder| {
        builder
            .tool_threads(1)
            .calls_in_flight(1)
            .timeout(Duration::from_millis(300))
    });
    let (ada, grace) = (server.user("ada"), server.user("grace"));
    let late = ada.call("block", json!({})).await;
    late.expect_error_with("Internal error, reference ");
    eventually("the function blocks", || latch.counts() == (1, 0)).await;
    // The call that timed out still counts as her call in flight.
    ada.call("quick", json!({})).await.expect_status(503);
    // Another user waits for the thread until the time-out, and the function does not run
    // afterwards.
    let waited = grace.call("block", json!({})).await;
    waited.expect_status(503);
    assert_eq!(grace.call("quick", json!({})).await.text(), "quick");
    latch.open();
    eventually("the function ends", || latch.counts() == (1, 1)).await;
    assert_eq!(blocked(&grace).await, "passed");
    assert_eq!(latch.counts(), (2, 2));
    assert_eq!(ada.call("quick", json!({})).await.text(), "quick");
}

#[actix_web::test]
async fn a_function_whose_caller_has_gone_runs_to_its_end() {
    let latch = tools::Latch::default();
    let server = server(&latch, |builder| builder.tool_threads(1).calls_in_flight(1));
    let user = server.user("ada");
    {
        let mut call = Box::pin(user.call("block", json!({})));
        assert!(call.as_mut().now_or_never().is_none());
        let begun = eventually("the function blocks", || latch.counts().0 == 1);
        futures_util::pin_mut!(begun);
        futures_util::future::select(call, begun).await;
    }
    assert_eq!(latch.counts(), (1, 0));
    user.call("quick", json!({})).await.expect_status(503);
    latch.open();
    eventually("the function ends", || latch.counts() == (1, 1)).await;
    // The function has returned, and its thread is about to drop the arguments.
    let free = async {
        while user.call("quick", json!({})).await.status() == 503 {
            tokio::task::yield_now().await;
        }
    };
    let free = tokio::time::timeout(Duration::from_secs(10), free).await;
    free.expect("the place is never given back");
    assert_eq!(blocked(&user).await, "passed");
}

#[actix_web::test]
async fn a_function_that_has_not_started_when_its_call_ends_never_starts() {
    let latch = tools::Latch::default();
    latch.open();
    let gate = tools::Gate::default();
    let opened = gate.clone();
    let builder = mcp_auth::server!()
        .tools_of("protocol::plain::tools")
        .state(latch.clone())
        .state(gate)
        .tool_threads(1)
        .calls_in_flight(1)
        .timeout(Duration::from_millis(100));
    let server = TestServer::of(builder);
    let user = server.user("ada");
    let late = user.call("behind_gate", json!({})).await;
    late.expect_error_with("Internal error, reference ");
    // The call ended during `authorize`, so it occupies neither a thread nor a place.
    let free = async {
        while user.call("block", json!({})).await.text() != "passed" {
            tokio::task::yield_now().await;
        }
    };
    let free = tokio::time::timeout(Duration::from_secs(10), free).await;
    free.expect("the thread is never given back");
    assert_eq!(latch.counts(), (1, 1));
    opened.0.notify_one();
    assert_eq!(blocked(&user).await, "passed");
    assert_eq!(latch.counts(), (2, 2));
    let called = user.call("behind_gate", json!({}));
    called.await.expect_ok();
    assert_eq!(latch.counts(), (3, 3));
}

#[actix_web::test]
async fn a_stopping_server_does_not_wait_for_abandoned_functions() {
    let latch = tools::Latch::default();
    let server = server(&latch, |builder| builder.timeout(Duration::from_secs(1)));
    server
        .user("ada")
        .call("block", json!({}))
        .await
        .expect_error_with("Internal error");
    eventually("the function blocks", || latch.counts() == (1, 0)).await;
    drop(server);
    assert_eq!(latch.counts(), (1, 0));
    latch.open();
    eventually("the function ends", || latch.counts() == (1, 1)).await;
}

#[actix_web::test]
async fn functions_are_served_over_http_in_both_eras() {
    let latch = tools::Latch::default();
    latch.open();
    let world = World::of("protocol::plain::tools", |builder| {
        builder.state(latch).state(tools::Gate::default())
    })
    .await;
    for era in ERAS {
        let ask = world.call(era, "block", json!({})).bearer(&world.ada());
        ask.send().await.expect_text("passed");
    }
}
