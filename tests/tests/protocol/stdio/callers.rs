//! The caller: the owner of a token of the local Clerk, a local user, and an anonymous caller.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use serde_json::json;

use super::client::{Program, ada, mint, refusal, text_of, with_local_user, with_token};
use crate::schema::expect_valid;
use crate::support::{Era, emulator};

#[actix_web::test]
async fn the_owner_of_the_token_lists_and_calls_what_the_guards_allow() {
    let clerk = emulator().await;
    let token = ada(&clerk);
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &with_token(&clerk, &token));
        let list = program.result("tools/list", json!({}));
        expect_valid(era, "ListToolsResult", &list);
        let tools = list["tools"].as_array().unwrap();
        let has = |name: &str| tools.iter().any(|tool| tool["name"] == name);
        assert!(has("who_am_i") && has("read_documents"), "{list}");
        assert_eq!(program.text("who_am_i", json!({})), "user_ada");
        assert_eq!(
            program.text("read_documents", json!({})),
            "Documents of acme"
        );
        let (messages, log) = program.finish();
        assert_eq!(messages, [] as [serde_json::Value; 0]);
        assert!(log.contains("endpoint  stdin and stdout"), "{log}");
        assert!(
            log.contains("caller    the token in MCP_AUTH_TOKEN"),
            "{log}"
        );
        assert!(!log.contains(&token), "the token is in the log");
    }
}

#[actix_web::test]
async fn a_denial_names_the_permission_and_the_scope() {
    let clerk = emulator().await;
    let token = mint(&clerk, &TokenRequest::oauth("linus"));
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &with_token(&clerk, &token));
        let denied = program.called("write_document", json!({}));
        assert_eq!(denied["isError"], true);
        assert_eq!(
            text_of(&denied),
            "Forbidden: documents:write scope required"
        );
        // There is no challenge, because the client cannot present another token.
        assert!(
            denied["_meta"].get("mcp/www_authenticate").is_none(),
            "{denied}"
        );
        program.finish();
        let mut program = Program::start(era, &with_local_user());
        let denied = program.called("share_documents", json!({}));
        assert_eq!(denied["isError"], true);
        let text = text_of(&denied);
        assert_eq!(text, "Forbidden: org:documents:share permission required");
        program.finish();
    }
}

#[test]
fn a_local_user_needs_no_clerk_instance_and_the_guards_decide() {
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &with_local_user());
        let list = program.result("tools/list", json!({}));
        let tools = list["tools"].as_array().unwrap();
        let has = |name: &str| tools.iter().any(|tool| tool["name"] == name);
        assert!(has("read_documents") && !has("share_documents"), "{list}");
        assert_eq!(program.text("who_am_i", json!({})), "user_ada");
        assert_eq!(
            program.text("read_documents", json!({})),
            "Documents of acme"
        );
        let (_, log) = program.finish();
        let caller = "caller    ada, admin of acme (a local user, without a token)";
        assert!(log.contains(caller), "{log}");
        assert!(!log.contains("issuer"), "{log}");
    }
}

#[actix_web::test]
async fn a_token_takes_the_place_of_the_local_user() {
    let clerk = emulator().await;
    let token = mint(&clerk, &TokenRequest::oauth("grace").org("acme"));
    let variables = [with_token(&clerk, &token), with_local_user()].concat();
    let mut program = Program::start(Era::Modern, &variables);
    assert_eq!(program.text("who_am_i", json!({})), "user_grace");
    program.finish();
    let expired = mint(&clerk, &TokenRequest::oauth("grace").expires_in(-60));
    let variables = [with_token(&clerk, &expired), with_local_user()].concat();
    let mut program = Program::spawn(Era::Modern, &variables);
    let error = program.error("tools/call", json!({ "name": "who_am_i", "arguments": {} }));
    assert_eq!(error["code"], 401);
    program.finish();
}

#[actix_web::test]
async fn a_token_that_expires_ends_with_a_clear_error() {
    let clerk = emulator().await;
    // The server accepts a token for five seconds longer.
    let token = mint(
        &clerk,
        &TokenRequest::oauth("ada").org("acme").expires_in(-3),
    );
    let mut program = Program::start(Era::Legacy, &with_token(&clerk, &token));
    let end = std::time::Instant::now() + Duration::from_secs(10);
    let error = loop {
        let id = program.call("who_am_i", json!({}));
        let response = program.response(id);
        if let Some(error) = response.get("error") {
            break error.clone();
        }
        assert!(std::time::Instant::now() < end, "the token does not expire");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(error["code"], 401);
    assert_eq!(error["data"]["error"], "invalid_token");
    let text = error["message"].as_str().unwrap();
    assert!(text.contains("set MCP_AUTH_TOKEN to a new token"), "{text}");
    // Every later message is refused too. No message is handled as a message without a token.
    for method in ["ping", "tools/list", "initialize"] {
        assert_eq!(program.error(method, json!({}))["code"], 401, "{method}");
    }
    let greeting = json!({ "name": "greet", "arguments": { "name": "Ada" } });
    assert_eq!(program.error("tools/call", greeting)["code"], 401);
    program.notify("notifications/roots/list_changed", json!({}));
    assert_eq!(program.finish().0, [] as [serde_json::Value; 0]);
}

#[actix_web::test]
async fn a_bad_token_a_banned_user_and_a_token_for_another_server_are_refused() {
    let clerk = emulator().await;
    let stranger = emulator().await;
    let ban = |variables: Vec<(&'static str, String)>| {
        let mut variables = variables;
        variables.push(("CHECK_USERS", "1".to_owned()));
        variables
    };
    clerk.instance().set_banned("grace", true);
    let of_grace = mint(&clerk, &TokenRequest::oauth("grace").org("acme"));
    let elsewhere = TokenRequest::oauth("ada").aud("https://other.example/mcp");
    for (variables, text) in [
        (with_token(&clerk, "abc"), "invalid or expired"),
        (with_token(&clerk, &ada(&stranger)), "invalid or expired"),
        (ban(with_token(&clerk, &of_grace)), "invalid or expired"),
        (
            with_token(&clerk, &mint(&clerk, &elsewhere)),
            "was issued for another server",
        ),
    ] {
        for era in [Era::Legacy, Era::Modern] {
            let mut program = Program::spawn(era, &variables);
            let method = match era {
                Era::Legacy => "initialize",
                Era::Modern => "server/discover",
            };
            let error = program.error(method, json!({}));
            assert_eq!(error["code"], 401);
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(text), "{message}");
            let (_, log) = program.finish();
            assert!(!log.contains(variables[0].1.as_str()) || variables[0].1 == "abc");
        }
    }
}

#[actix_web::test]
async fn an_opaque_token_that_was_revoked_is_refused() {
    let clerk = emulator().await;
    let token = mint(&clerk, &TokenRequest::oauth("ada").org("acme").opaque());
    let mut program = Program::start(Era::Legacy, &with_token(&clerk, &token));
    assert_eq!(
        program.text("read_documents", json!({})),
        "Documents of acme"
    );
    program.finish();
    assert!(clerk.instance().revoke(&token));
    let mut program = Program::spawn(Era::Legacy, &with_token(&clerk, &token));
    assert_eq!(program.error("initialize", json!({}))["code"], 401);
    program.finish();
}

#[test]
fn an_anonymous_caller_connects_to_a_discoverable_server_only() {
    let variables = [("DISCOVERABLE", "1".to_owned())];
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &variables);
        assert_eq!(program.text("greet", json!({ "name": "Ada" })), "Hello Ada");
        let error = program.error("tools/call", json!({ "name": "who_am_i", "arguments": {} }));
        assert_eq!(error["code"], 401);
        let text = error["message"].as_str().unwrap();
        assert!(
            text.starts_with("An access token is required: set MCP_AUTH_TOKEN"),
            "{text}"
        );
        let (_, log) = program.finish();
        assert!(log.contains("caller    anonymous"), "{log}");
    }
}

#[test]
fn without_a_caller_and_with_a_malformed_one_the_server_does_not_start() {
    let error = refusal(&[]);
    assert!(
        error.contains("MCP_AUTH_TOKEN is not set, and the code names no local user"),
        "{error}"
    );
    assert!(error.contains("[caller-missing]"), "{error}");
    let error = refusal(&[("MCP_AUTH_TOKEN", "Bearer secret".to_owned())]);
    assert!(
        error.contains("without `Bearer`") && !error.contains("secret"),
        "{error}"
    );
    let error = refusal(&[("LOCAL_USER", "ada lovelace".to_owned())]);
    assert!(
        error.contains("`local_user` is invalid: the name `ada lovelace`"),
        "{error}"
    );
}
