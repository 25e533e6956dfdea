use std::sync::Arc;

use futures_util::poll;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::Org;
use crate::identity::OrganizationSource;
use tracing::Level;

use crate::identity::test_support::{logged, logged_at};
use crate::primitive::State;
use crate::server::ServerBuilder;
use crate::testing::TestServer;

/// Wait.
#[mcp_auth_macros::mcp_tool(crate = crate)]
async fn wait(gate: &State<Arc<Notify>>) {
    gate.notified().await;
}

/// Name the organization.
#[mcp_auth_macros::mcp_tool(crate = crate)]
async fn organization(org: &Org) -> String {
    org.id().to_owned()
}

#[test]
fn the_record_of_a_call_names_the_organization_whatever_its_source() {
    let calls = async || {
        let gate = Arc::new(Notify::new());
        let builder = ServerBuilder::of_package("mcp-auth", "0").tools_of(module_path!());
        let builder = builder.organization_from([OrganizationSource::UrlQuery]);
        let server = TestServer::of(builder.state(gate));
        server.member("ada", "acme");
        let ada = server.user("ada");
        for user in [ada.clone().url_org("acme"), server.user("bob").org("acme")] {
            user.call("organization", json!({})).await.expect_ok();
        }
        let nowhere = ada.url_org("globex").call("organization", json!({})).await;
        nowhere.expect_missing("organization", &[]);
    };
    let log = logged(|| actix_web::rt::System::new().block_on(calls()));
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains(r#"tool="organization""#))
        .collect();
    let [by_url, by_token, nowhere] = lines[..] else {
        panic!("{log}");
    };
    for (line, user) in [(by_url, "user_ada"), (by_token, "user_bob")] {
        assert!(line.contains(r#"org="org_acme""#), "{line}");
        assert!(line.contains(user) && line.contains("allowed"), "{line}");
    }
    // The log must not contain a part of the URL, because the client wrote it.
    assert!(
        !log.contains("globex") && nowhere.contains("denied"),
        "{log}"
    );
}

mod failing {
    use crate::primitive::ToolError;

    /// Move a document.
    #[mcp_auth_macros::mcp_tool(crate = crate, permission = "org:documents:move")]
    async fn relocate(
        #[garde(length(chars, max = 8))] shelf: String,
        row: u8,
    ) -> Result<(), ToolError> {
        assert_ne!(row, 2, "a fault");
        match row {
            0 => Err(ToolError::new(format!("Shelf {shelf} is full"))),
            1 => Err(std::io::Error::other("shelf-db is away").into()),
            _ => Ok(()),
        }
    }

    /// Knock.
    #[mcp_auth_macros::mcp_tool(crate = crate, public, rate = "1/hour per user")]
    async fn knock() {}

    /// Ring.
    #[mcp_auth_macros::mcp_tool(crate = crate, public)]
    async fn ring(times: u8) {
        let _ = times;
    }
}

fn failing() -> TestServer {
    let builder = ServerBuilder::of_package("mcp-auth", "0");
    TestServer::of(builder.tools_of(concat!(module_path!(), "::failing")))
}

#[test]
fn at_info_a_denied_or_failed_call_has_a_line_that_says_why_and_not_who_or_with_what() {
    let mut told = Vec::new();
    let calls = async |told: &mut Vec<String>| {
        let server = failing();
        let ada = server
            .user("ada")
            .org("acme")
            .permission("org:documents:move");
        let bob = server.user("bob").org("acme");
        for (user, row) in [
            (&bob, json!(9)),
            (&ada, json!("hunter2")),
            (&ada, json!(0)),
            (&ada, json!(1)),
            (&ada, json!(2)),
            (&ada, json!(3)),
        ] {
            let arguments = json!({ "shelf": "hunter2", "row": row });
            told.push(user.call("relocate", arguments).await.text().to_owned());
        }
        let broken = json!({ "shelf": "hunter2 and more", "row": 3 });
        told.push(ada.call("relocate", broken).await.text().to_owned());
    };
    let log = logged_at(Level::INFO, || {
        actix_web::rt::System::new().block_on(calls(&mut told));
    });
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("relocate") && line.contains(" INFO "))
        .collect();
    let expected = [
        r#"denied tool="relocate" reason="Forbidden: org:documents:move permission required""#,
        r#"invalid tool="relocate" reason="the arguments do not fit the schema""#,
        r#"failed tool="relocate" reason="the function's own error""#,
        r#"failed tool="relocate" reason="internal error""#,
        r#"panicked tool="relocate" reason="internal error""#,
        r#"invalid tool="relocate" reason="validation error: the arguments break rules""#,
    ];
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{expected} in {line}");
        assert!(
            line.contains(" duration=") && line.contains(" request="),
            "{line}"
        );
    }
    for secret in ["hunter2", "user_ada", "user_bob", "org_acme"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    // The client received the error id that is in the log line.
    for (line, told) in [(lines[3], &told[3]), (lines[4], &told[4])] {
        let reference = told.strip_prefix("Internal error, reference ").expect(told);
        assert!(line.contains(&format!("request={reference}")), "{line}");
        let error = log.lines().filter(|line| line.contains(" ERROR "));
        assert!(error.clone().any(|line| line.contains(reference)), "{log}");
    }
}

#[test]
fn at_info_failed_calls_without_a_token_have_one_line_a_minute_with_a_count() {
    let log = logged_at(Level::INFO, || {
        actix_web::rt::System::new().block_on(async {
            let server = failing();
            for _ in 0..3 {
                server.anonymous().call("ring", json!({})).await;
            }
            server.advance(std::time::Duration::from_secs(60));
            server.anonymous().call("ring", json!({})).await;
            server
                .anonymous()
                .call("ring", json!({ "times": 1 }))
                .await
                .expect_ok();
        });
    });
    let lines: Vec<_> = log.lines().filter(|line| line.contains("ring")).collect();
    let [first, second] = lines[..] else {
        panic!("{log}");
    };
    assert!(
        first.contains(r#"invalid tool="ring""#) && first.contains("calls=1"),
        "{log}"
    );
    assert!(second.contains("calls=3"), "{log}");
}

#[test]
fn at_info_limited_calls_have_one_line_a_minute_with_a_count_and_strangers_another() {
    let log = logged_at(Level::INFO, || {
        actix_web::rt::System::new().block_on(async {
            let server = failing();
            let callers = [server.user("ada"), server.user("bob"), server.anonymous()];
            for caller in &callers {
                caller.call("knock", json!({})).await.expect_ok();
                for _ in 0..3 {
                    caller.call("knock", json!({})).await.expect_limited();
                }
            }
            server.advance(std::time::Duration::from_secs(60));
            callers[0].call("knock", json!({})).await.expect_limited();
        });
    });
    let lines: Vec<_> = log.lines().filter(|line| line.contains("knock")).collect();
    let [first, stranger, second] = lines[..] else {
        panic!("{log}");
    };
    for (line, calls) in [(first, 1), (stranger, 1), (second, 6)] {
        let expected = r#"limited tool="knock" reason="rate 1/hour per user""#;
        assert!(line.contains(expected), "{line}");
        assert!(line.contains(&format!(" calls={calls}")), "{line}");
    }
    assert!(!log.contains("user_"), "{log}");
}

#[test]
fn at_debug_every_limited_call_has_a_line_that_says_who() {
    let log = logged(|| {
        actix_web::rt::System::new().block_on(async {
            let server = failing();
            let ada = server.user("ada");
            ada.call("knock", json!({})).await.expect_ok();
            for _ in 0..3 {
                ada.call("knock", json!({})).await.expect_limited();
            }
        });
    });
    let limited = |line: &&str| line.contains("limited") && line.contains("user_ada");
    assert_eq!(log.lines().filter(limited).count(), 3, "{log}");
}

mod asking {
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::primitive::{Context, ToolError};

    /// Clear the archive.
    #[mcp_auth_macros::mcp_tool(crate = crate, confirm = "Clear the archive?")]
    async fn clear() {}

    /// Ask another question in each run.
    #[mcp_auth_macros::mcp_tool(crate = crate)]
    async fn drift(cx: &Context) -> Result<(), ToolError> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        cx.elicit::<()>(format!("Run {run}?")).await
    }
}

/// Returns the lines at `info` of calls.
fn lines_of_questions(calls: impl AsyncFnOnce(TestServer)) -> Vec<String> {
    let log = logged_at(Level::INFO, || {
        actix_web::rt::System::new().block_on(async {
            let builder = ServerBuilder::of_package("mcp-auth", "0");
            let builder = builder.tools_of(concat!(module_path!(), "::asking"));
            calls(TestServer::of(builder)).await;
        });
    });
    let lines = log.lines().filter(|line| line.contains(" tool="));
    lines.map(str::to_owned).collect()
}

#[test]
fn at_info_a_question_that_reaches_nobody_has_a_line_with_the_reason() {
    let lines = lines_of_questions(async |server| {
        let ada = server.user("ada");
        ada.clone()
            .confirming()
            .call("clear", json!({}))
            .await
            .expect_ok();
        ada.clone().legacy().call("clear", json!({})).await;
        ada.clone().call("clear", json!({})).await;
        ada.clone().declining().call("clear", json!({})).await;
        ada.cancelling().call("clear", json!({})).await;
    });
    let expected = [
        r#"failed tool="clear" reason="the client cannot ask a person: a client of MCP 2025-11-25 or older needs a session; set `MCP_AUTH_LEGACY=sessions`""#,
        r#"failed tool="clear" reason="the client cannot ask a person, because it lacks the capability""#,
        r#"declined tool="clear" reason="Not confirmed: the user declined.""#,
        r#"declined tool="clear" reason="Not confirmed: the user closed the question.""#,
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{expected} in {line}");
    }
}

#[test]
fn at_info_a_question_that_changes_from_run_to_run_has_a_line_for_each_run() {
    let lines = lines_of_questions(async |server| {
        let ada = server.user("ada").confirming();
        let answer = ada.call("drift", json!({})).await;
        answer.expect_error(
            "The server asked too many questions. The function asked another question in each run; the text of a \
             question must be the same in each run.",
        );
    });
    // The first run asks, and each later run asks another question.
    assert_eq!(lines.len(), 32, "{lines:#?}");
    let (last, asked) = lines.split_last().unwrap();
    let changed = r#"asked tool="drift" reason="the function asked another question than before; the text of a question must be the same in each run""#;
    assert!(
        asked.iter().all(|line| line.contains(changed)),
        "{asked:#?}"
    );
    let too_many = r#"failed tool="drift" reason="the function asked too many questions; the text of a question must be the same in each run""#;
    assert!(last.contains(too_many), "{last}");
}

async fn hang_up(legacy: bool) {
    let gate = Arc::new(Notify::new());
    let builder = ServerBuilder::of_package("mcp-auth", "0").tools_of(module_path!());
    let server = TestServer::of(builder.state(Arc::clone(&gate)));
    let user = server.user("ada");
    let user = if legacy { user.legacy() } else { user };
    let mut call = Box::pin(user.call("wait", json!({})));
    while server.ran("wait") == 0 {
        assert!(poll!(&mut call).is_pending());
        yield_now().await;
    }
    drop(call);
    yield_now().await;
    gate.notify_one();
    // Yield repeatedly, because background tasks run on this thread.
    for _ in 0..100 {
        yield_now().await;
    }
}

#[test]
fn a_call_whose_caller_has_gone_is_recorded_as_it_ends() {
    for (legacy, recorded) in [(false, "cancelled"), (true, "allowed")] {
        let run = || actix_web::rt::System::new().block_on(hang_up(legacy));
        let log = logged(run);
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains(r#"tool="wait""#))
            .collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains(recorded), "{log}");
    }
}
