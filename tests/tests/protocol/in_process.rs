//! `mcp_auth::testing`: the behaviour of its servers, users and assertions beyond their examples.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use mcp_auth::testing::{TestAnswer, TestClock, TestServer, TestUser};
use serde_json::json;

mod staff {
    use mcp_auth::{Caller, Context, FromContext, Json, Org, ToolError, mcp_tool};

    /// A value that only callers with a role can inject.
    #[derive(Debug)]
    struct Badge;

    impl FromContext for Badge {
        type Parts = Option<Caller>;

        async fn from_context(_: &Context, caller: Option<&Caller>) -> Result<Self, ToolError> {
            match caller.and_then(Caller::client_id) {
                Some("badge") => Ok(Self),
                Some(_) | None => Err(ToolError::new("No badge")),
            }
        }
    }

    /// Tell what the caller is.
    #[mcp_tool(require_org)]
    async fn standing(org: &Org) -> Json<(Option<String>, Vec<String>)> {
        let permissions = org.permissions().unwrap_or_default().to_vec();
        Json((org.role().map(str::to_owned), permissions))
    }

    /// Open the door.
    #[mcp_tool]
    async fn open_door(badge: &Badge) -> String {
        format!("{badge:?}")
    }

    /// Wait.
    #[mcp_tool(public)]
    async fn wait() {
        tokio::task::yield_now().await;
    }

    /// Fall over.
    #[mcp_tool(public)]
    async fn fall() -> &'static str {
        panic!("fallen")
    }
}

fn server() -> TestServer {
    TestServer::of(
        mcp_auth::server!(tools = [staff]).session_tokens(mcp_auth::AuthorizedParties::any()),
    )
}

fn standing(answer: &TestAnswer) -> String {
    let standing: serde_json::Value = answer.expect_ok().json();
    standing["result"].to_string()
}

#[actix_web::test]
async fn a_membership_applies_to_every_kind_of_token_of_its_user() {
    let server = server();
    server
        .member("ada", "acme")
        .role("org:admin")
        .permissions(["org:a:b", "org:c:d"]);
    let ada = server.user("ada").org("acme");
    for user in [ada.clone(), ada.clone().legacy(), ada.clone().session()] {
        let answer = user.call("standing", json!({})).await;
        assert_eq!(standing(&answer), r#"["org:admin",["org:a:b","org:c:d"]]"#);
    }
    // A description that says less changes nothing, and a change applies at once.
    server
        .member("user_ada", "org_acme")
        .permissions(["org:e:f"]);
    let answer = ada.call("standing", json!({})).await;
    assert_eq!(standing(&answer), r#"["org:admin",["org:e:f"]]"#);
    let again = server.user("ada").org("acme").permission("org:x:y");
    let answer = again
        .permission("org:x:z")
        .call("standing", json!({}))
        .await;
    assert_eq!(standing(&answer), r#"["org:admin",["org:x:y","org:x:z"]]"#);
    // The order of the methods does not matter.
    let other = server.user("ada").permission("org:x:y").role("clerk");
    let answer = other.org("globex").call("standing", json!({})).await;
    assert_eq!(standing(&answer), r#"["org:clerk",["org:x:y"]]"#);
}

#[actix_web::test]
async fn a_removed_member_stays_removed_until_described_again() {
    for session in [false, true] {
        let server = server();
        let ada = || {
            let ada = server.user("ada").org("acme");
            if session { ada.session() } else { ada }
        };
        let before = ada();
        before.call("standing", json!({})).await.expect_ok();
        server.remove_member("user_ada", "acme");
        server.advance(Duration::from_secs(30));
        for user in [before, ada(), ada().legacy()] {
            let answer = user.call("standing", json!({})).await;
            answer
                .expect_denied("Organization context required")
                .expect_missing("organization", &[])
                .expect_not_run();
        }
        assert_eq!(server.ran("standing"), 1);
        server.member("ada", "acme");
        ada().call("standing", json!({})).await.expect_ok();
    }
}

#[actix_web::test]
async fn a_removed_member_is_noticed_only_when_the_cache_expires() {
    let server = server();
    let ada = server.user("ada").org("acme");
    ada.call("standing", json!({})).await.expect_ok();
    server.remove_member("ada", "acme");
    server.advance(Duration::from_secs(29));
    ada.call("standing", json!({})).await.expect_ok();
    server.advance(Duration::from_secs(1));
    ada.call("standing", json!({})).await.expect_not_run();
}

#[actix_web::test]
async fn a_tool_ran_if_its_function_was_called_even_if_it_failed() {
    let server = server();
    let ada = server.user("ada");
    let answer = ada.call("open_door", json!({})).await;
    answer.expect_error("No badge").expect_not_run();
    let answer = ada.call("open_door", json!({ "key": 1 })).await;
    answer.expect_error_with("key").expect_not_run();
    ada.call("no_such_tool", json!({})).await.expect_not_run();
    let answer = server.anonymous().call("open_door", json!({})).await;
    answer.expect_unauthorized().expect_not_run();
    assert_eq!(server.ran("open_door"), 0);

    let answer = ada.client("badge").call("open_door", json!({})).await;
    answer.expect_ok().expect_ran();
    let answer = server.anonymous().call("fall", json!({})).await;
    answer.expect_error_with("Internal error").expect_ran();
    assert_eq!((server.ran("open_door"), server.ran("fall")), (1, 1));
}

#[actix_web::test]
async fn concurrent_calls_are_counted_separately() {
    let (server, other) = (server(), server());
    let anonymous = server.anonymous();
    let calls = (0..20).map(|number| {
        let anonymous = anonymous.clone();
        async move {
            // Every second call lacks what the tool requires.
            let tool = if number % 2 == 0 { "wait" } else { "standing" };
            (tool, anonymous.call(tool, json!({})).await)
        }
    });
    for (tool, answer) in join_all(calls).await {
        match tool {
            "wait" => answer.expect_ok().expect_ran(),
            _ => answer.expect_unauthorized().expect_not_run(),
        };
    }
    assert_eq!((server.ran("wait"), server.ran("standing")), (10, 0));
    assert_eq!(other.ran("wait"), 0);
}

#[actix_web::test]
async fn a_failed_expectation_panics_with_the_response() {
    let server = server();
    let ok = server.anonymous().call("wait", json!({})).await;
    let denied = server.user("ada").call("standing", json!({})).await;
    let fail_on_ok: [fn(&TestAnswer) -> &TestAnswer; 8] = [
        |answer| answer.expect_denied(""),
        |answer| answer.expect_error(""),
        |answer| answer.expect_error_with(""),
        |answer| answer.expect_insufficient_scope("a"),
        |answer| answer.expect_missing("organization", &[]),
        |answer| answer.expect_not_run(),
        |answer| answer.expect_status(401),
        |answer| answer.expect_unauthorized(),
    ];
    let fail_on_denied: [fn(&TestAnswer) -> &TestAnswer; 4] = [
        |answer| answer.expect_missing("organization", &["a"]),
        |answer| answer.expect_missing("permission", &[]),
        |answer| answer.expect_ok(),
        |answer| answer.expect_ran(),
    ];
    for (answer, fails) in [(&ok, &fail_on_ok[..]), (&denied, &fail_on_denied)] {
        for fail in fails {
            let panic = catch_unwind(AssertUnwindSafe(|| fail(answer).status())).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            let shown = text.starts_with("expected ") && text.contains("found HTTP 200");
            assert!(shown, "{text}");
        }
    }
    assert_eq!(
        denied.denial().unwrap().to_string(),
        "organization, cured by the scope user:org:read"
    );
}

#[actix_web::test]
async fn a_clock_of_the_test_is_the_clock_of_the_server() {
    let clock = TestClock::at(2_000_000_000);
    let server = TestServer::of(mcp_auth::server!(tools = [staff]).clock(&clock));
    let badge = server.user("ada").client("badge");
    badge.call("open_door", json!({})).await.expect_ok();
    let token = badge.token().unwrap();
    clock.advance(Duration::from_secs(86_400 + 6));
    let expired = server.bearer(token).call("open_door", json!({})).await;
    expired.expect_unauthorized();
    badge.call("open_door", json!({})).await.expect_ok();
}

#[actix_web::test]
async fn a_request_by_hand_has_the_written_headers_and_a_host() {
    let server = server();
    let call = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "wait" },
    });
    let post = || {
        let request = server.request("POST", "/mcp").body(call.to_string());
        request.header("content-type", "application/json")
    };
    post().send().await.expect_ok().expect_ran();
    post()
        .header("host", "evil.example")
        .send()
        .await
        .expect_status(403)
        .expect_not_run();
    let twice = post().bearer("a").and_header("authorization", "Bearer b");
    twice.send().await.expect_status(400).expect_not_run();
    server
        .request("POST", "/mcp")
        .body(call.to_string())
        .send()
        .await
        .expect_status(415);
    server
        .request("DELETE", "/mcp")
        .send()
        .await
        .expect_unauthorized();
    server
        .request("GET", "/elsewhere")
        .send()
        .await
        .expect_status(404);
}

#[actix_web::test]
async fn a_server_that_accepts_machines_is_a_machine_by_default() {
    let server = mcp_auth::server!(tools = [staff]).without_oauth_tokens();
    let server = TestServer::of(server.m2m_tokens());
    for machine in [server.machine("billing"), server.machine("billing").jwt()] {
        machine.call("wait", json!({})).await.expect_ok();
        let elsewhere = machine
            .audience(Some("mch_elsewhere"))
            .call("wait", json!({}))
            .await;
        elsewhere.expect_unauthorized();
    }
}

#[actix_web::test]
async fn expect_refused_accepts_only_the_actual_reason() {
    let parties =
        mcp_auth::AuthorizedParties::only(["https://app.example.com", "https://b.example.com"]);
    let server = mcp_auth::server!(tools = [staff]).session_tokens(parties);
    let server = TestServer::of(server.check_users());
    // Without `party` the token has the first party that the server accepts.
    let ada = server.user("ada").session();
    ada.call("wait", json!({})).await.expect_ok();
    let other = ada.clone().party("https://b.example.com");
    other.call("wait", json!({})).await.expect_ok();
    // The party of a session does not apply to an OAuth token.
    let oauth = ada.clone().opaque().call("wait", json!({})).await;
    oauth.expect_ok();

    server.ban("ada");
    server.advance(Duration::from_secs(60));
    let answer = ada.call("wait", json!({})).await;
    assert_eq!(answer.refusal(), Some("user-banned"));
    answer.expect_unauthorized().expect_refused("user-banned");
    let stray = ada.party("https://evil.example.com");
    let answer = stray.call("wait", json!({})).await;
    answer.expect_refused("token-invalid-authorized-parties");
    assert!(panics(|| {
        answer.expect_refused("user-banned");
    }));

    // There is no reason without a token or with a valid token.
    let nobody = server.anonymous().call("standing", json!({})).await;
    assert_eq!(nobody.expect_unauthorized().refusal(), None);
    assert!(panics(|| {
        nobody.expect_refused("token-expired");
    }));
    let grace = server.user("grace").call("wait", json!({})).await;
    assert_eq!(grace.expect_ok().refusal(), None);
}

#[actix_web::test]
async fn while_clerk_is_unreachable_uncached_lookups_are_503() {
    let server = server();
    let (ada, grace) = (server.user("ada").org("acme"), server.user("grace"));
    ada.call("standing", json!({})).await.expect_ok();
    let opaque = grace.clone().opaque();
    server.begin_outage();
    // Cached facts are used until they expire, and a tool without look-ups does not need Clerk.
    ada.call("standing", json!({})).await.expect_ok();
    grace
        .call("open_door", json!({}))
        .await
        .expect_error("No badge");
    server.advance(Duration::from_secs(30));
    for user in [&ada, &opaque] {
        let answer = user.call("standing", json!({})).await;
        answer.expect_status(503).expect_not_run();
        assert!(answer.header("Retry-After").is_some());
    }
    server.end_outage();
    server.advance(Duration::from_secs(8));
    ada.call("standing", json!({})).await.expect_ok();
    opaque
        .call("standing", json!({}))
        .await
        .expect_missing("organization", &[]);
}

#[actix_web::test]
async fn a_user_that_no_token_can_describe_panics_at_the_call_of_the_test() {
    let server = server();
    let wrong = server.user("ada").session().scope("email");
    for call in [
        |user: &TestUser<'_>| drop(user.token()),
        |user: &TestUser<'_>| drop(user.call("wait", json!({}))),
        |user: &TestUser<'_>| drop(user.tools()),
    ] {
        let (this, seen) = (std::thread::current().id(), Arc::new(Mutex::new(None)));
        let (before, file) = (Arc::new(std::panic::take_hook()), Arc::clone(&seen));
        let others = Arc::clone(&before);
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == this {
                *file.lock().unwrap() = panic.location().map(|place| place.file().to_owned());
            } else {
                others(panic);
            }
        }));
        assert!(panics(|| call(&wrong)));
        std::panic::set_hook(Box::new(move |panic| before(panic)));
        let file = seen.lock().unwrap().take().unwrap();
        assert!(file.ends_with("in_process.rs"), "{file}");
    }
}

#[actix_web::test]
async fn an_unknown_user_cannot_be_unlocked_unbanned_or_deleted() {
    let server = server();
    server.lock("ada");
    server.unlock("ada");
    server.delete_user("user_ada");
    assert!(panics(|| server.delete_user("ada")));
    assert!(panics(|| server.unlock("ada")));
    assert!(panics(|| server.unban("ada")));
}

#[actix_web::test]
async fn debug_output_of_a_caller_is_short_and_has_no_token() {
    let server = server();
    let ada = format!("{:?}", server.user("ada").org("acme"));
    assert!(ada.contains("ada") && ada.contains("acme"), "{ada}");
    assert!(ada.len() < 800, "{ada}");
    let token = server.user("ada").token().unwrap();
    let bearer = server.bearer(token.clone());
    let request = server.request("GET", "/mcp").bearer(&token);
    for printed in [format!("{bearer:?}"), format!("{request:?}")] {
        assert!(!printed.contains(&token), "{printed}");
    }
}

fn panics(test: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(test)).is_err()
}

#[actix_web::test]
async fn a_party_is_compared_in_the_form_of_session_tokens() {
    let parties = mcp_auth::AuthorizedParties::only(["HTTPS://App.Example.com:443/"]);
    let server = TestServer::of(mcp_auth::server!(tools = [staff]).session_tokens(parties));
    let ada = server.user("ada").session();
    ada.call("wait", json!({})).await.expect_ok();
    for (party, is_refused) in [
        ("https://app.example.com", false),
        ("HTTPS://App.Example.com:443/", true),
        ("https://app.example.com/", true),
        ("https://app.example.com:8443", true),
    ] {
        let answer = ada.clone().party(party).call("wait", json!({})).await;
        if is_refused {
            answer.expect_refused("token-invalid-authorized-parties");
        } else {
            answer.expect_ok();
        }
    }
}
