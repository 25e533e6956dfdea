//! Threat T9: the log at the level `trace` contains no secret, for good and bad calls.

use std::fmt::Write;

use clerk_emulator::{Emulator, TokenRequest};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::process::Process;
use crate::support::{client, emulator, eventually, message, modern_meta};

/// The secrets that must not be in the log, each with a description.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, what: &str, secret: &str) {
        self.0.push((what.to_owned(), secret.to_owned()));
    }

    /// Adds a token and each part of it: the claims are personal data.
    fn add_token(&mut self, what: &str, token: &str) {
        self.add(what, token);
        for (part, name) in token
            .split('.')
            .zip(["header", "claims", "signature"])
            .skip(1)
        {
            if part.len() > 16 {
                self.add(&format!("{name} of {what}"), part);
            }
        }
    }

    #[track_caller]
    fn expect_none_in(&self, text: &str) {
        let mut found = String::new();
        for (what, secret) in &self.0 {
            for line in text
                .lines()
                .filter(|line| line.contains(secret.as_str()))
                .take(2)
            {
                let line: String = line.chars().take(300).collect();
                writeln!(found, "{what}: {line}").unwrap();
            }
        }
        assert!(found.is_empty(), "{found}");
    }
}

/// Good and bad tokens, each with personal data in its claims.
fn tokens(clerk: &Emulator, now: u64) -> Vec<(&'static str, String)> {
    let instance = clerk.instance();
    let sign = |request: &TokenRequest, change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut header, mut claims) = instance.token_parts(request, now).unwrap();
        claims["email"] = json!("ada.lovelace@example.com");
        change(&mut header, &mut claims);
        instance.mint_claims(header, claims).unwrap()
    };
    let same = |_: &mut Value, _: &mut Value| ();
    let ada = TokenRequest::oauth("ada").org("acme");
    let good = sign(&ada, &same);
    let forged = {
        let (signed, signature) = good.rsplit_once('.').unwrap();
        format!("{signed}.{}", signature.chars().rev().collect::<String>())
    };
    vec![
        ("good", good),
        (
            "without permission",
            sign(&TokenRequest::oauth("grace").org("acme"), &same),
        ),
        (
            "without organization",
            sign(&TokenRequest::oauth("linus"), &same),
        ),
        ("expired", sign(&ada.clone().expires_in(-60), &same)),
        (
            "for another resource",
            sign(&ada.clone().aud("https://other.example"), &same),
        ),
        (
            "a session",
            sign(&TokenRequest::session("ada").org("acme"), &same),
        ),
        (
            "of another issuer",
            sign(&ada, &|_, claims| {
                claims["iss"] = json!("https://x.example")
            }),
        ),
        (
            "of an unknown key",
            sign(&ada, &|header, _| header["kid"] = json!("ins_emulator_x")),
        ),
        (
            "unsigned",
            sign(&ada, &|header, _| header["alg"] = json!("none")),
        ),
        (
            "of odd claims",
            sign(&ada, &|_, claims| claims["scope"] = json!({ "a": [1] })),
        ),
        ("forged", forged),
        ("opaque", "oat_0123456789abcdefSECRET".to_owned()),
        (
            "opaque and good",
            instance.mint(&ada.clone().opaque(), now).unwrap(),
        ),
        (
            "of a machine",
            instance.mint(&TokenRequest::m2m("billing"), now).unwrap(),
        ),
        (
            "an API key",
            instance.mint(&TokenRequest::api_key("ada"), now).unwrap(),
        ),
        ("junk", "junk-SECRET-junk-SECRET".to_owned()),
        ("too large", "SECRET".repeat(4096)),
    ]
}

#[actix_web::test]
async fn t09_no_secret_is_logged_at_any_level() {
    let clerk = emulator().await;
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let mut secrets = Secrets::default();
    secrets.add("the secret key", clerk.instance().secret_key().expose());
    secrets.add("any secret key", "sk_test_");
    secrets.add("an e-mail address", "@example.com");
    secrets.add("a password", "hunter2");
    secrets.add("a password in Base64", "YWRhOmh1bnRlcjI");
    secrets.add("junk as a token", "SECRET");
    let mut process = Process::start_on(&clerk, &[("RUST_LOG", "trace")]);
    let endpoint = process.fact("endpoint").to_owned();
    for (what, token) in tokens(&clerk, now) {
        secrets.add_token(what, &token);
        for request in requests(&endpoint) {
            send(request.header("authorization", format!("Bearer {token}"))).await;
        }
        send(
            requests(&endpoint)
                .remove(0)
                .header("authorization", token.clone()),
        )
        .await;
        let in_query = format!("{endpoint}?access_token={token}");
        send(
            client()
                .post(in_query)
                .header("content-type", "application/json"),
        )
        .await;
    }
    for request in requests(&endpoint) {
        send(request.header("authorization", "Basic YWRhOmh1bnRlcjI=")).await;
    }
    clerk.instance().fail_with(Some(500));
    let grace = TokenRequest::oauth("margaret").org("globex");
    let token = clerk.instance().mint(&grace, now).unwrap();
    secrets.add_token("of a caller who cannot be looked up", &token);
    for request in requests(&endpoint) {
        send(request.header("authorization", format!("Bearer {token}"))).await;
    }
    process.signal("TERM");
    eventually("it ends", || process.ended().is_some()).await;
    let log = process.log();
    // The log has records of all these calls.
    for line in [
        "TRACE",
        "token refused",
        "token-expired",
        "denied",
        "a look-up at Clerk failed",
    ] {
        assert!(log.contains(line), "no {line} in {} bytes", log.len());
    }
    secrets.expect_none_in(&log);
    secrets.expect_none_in(process.printed());
}

#[actix_web::test]
async fn t09_no_id_of_a_session_is_logged_at_any_level() {
    let clerk = emulator().await;
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let ada = TokenRequest::oauth("ada").org("acme");
    let token = clerk.instance().mint(&ada, now).unwrap();
    let environment = [("RUST_LOG", "trace"), ("MCP_AUTH_LEGACY", "sessions")];
    let mut process = Process::start_on(&clerk, &environment);
    let endpoint = process.fact("endpoint").to_owned();
    let request = |method: Method, id: &str| {
        client()
            .request(method, &endpoint)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", id)
    };
    let post = |id: &str, method: &str, params: Value| {
        let request = request(Method::POST, id).body(message(method, params));
        async move { request.send().await.unwrap() }
    };
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let opened = post("", "initialize", params).await;
    let id = opened.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let call = post(&id, "tools/call", json!({ "name": "no_such_tool" })).await;
    assert_eq!(call.status(), 200);
    for (method, status) in [
        (Method::GET, 200),
        (Method::DELETE, 204),
        (Method::GET, 404),
    ] {
        let reply = request(method, &id).send().await.unwrap();
        assert_eq!(reply.status(), status);
    }
    let invented = "an-invented-id-of-a-session";
    assert_eq!(post(invented, "ping", json!({})).await.status(), 404);
    process.signal("TERM");
    eventually("it ends", || process.ended().is_some()).await;
    let log = process.log();
    assert!(log.contains("TRACE"), "{} bytes", log.len());
    let mut secrets = Secrets::default();
    secrets.add("the id of a session", &id);
    secrets.add("an invented id", invented);
    secrets.add_token("of the caller", &token);
    secrets.expect_none_in(&log);
    secrets.expect_none_in(process.printed());
}

/// One request of each kind: an allowed call, denied calls, a list, and invalid arguments.
fn requests(endpoint: &str) -> Vec<RequestBuilder> {
    let post = |body: String| {
        client()
            .post(endpoint)
            .header("content-type", "application/json")
            .body(body)
    };
    let call = |name: &str, arguments: Value| {
        post(message(
            "tools/call",
            json!({ "name": name, "arguments": arguments }),
        ))
    };
    let modern = json!({ "name": "who_am_i", "_meta": modern_meta() });
    vec![
        call("who_am_i", json!({})),
        call("read_documents", json!({})),
        call("greet", json!({ "name": 7, "password": "hunter2" })),
        call("no_such_tool", json!({ "password": "hunter2" })),
        post(message("tools/list", json!({}))),
        post("{\"password\": \"hunter2\"".to_owned()),
        post(message("tools/call", modern))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "who_am_i"),
    ]
}

/// Sends a request and ignores the outcome; some requests are too large to be sent.
async fn send(request: RequestBuilder) {
    let _ = request.send().await;
}
