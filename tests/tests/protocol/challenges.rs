//! Denials in the header, in the body and in `_meta`, in both eras.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::{AuthorizedParties, Org, State, mcp_tool};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::support::{ERAS, Era, ORGANIZATION_REQUIRED, Runs, World};

/// Export the documents of the caller's organization.
#[mcp_tool(scope = "documents:export")]
async fn export_documents(org: &Org, runs: &State<Runs>) -> String {
    runs.count();
    format!("exported {}", org.id())
}

/// Name the caller's organization.
#[mcp_tool]
async fn organization(org: &Org, runs: &State<Runs>) -> String {
    runs.count();
    org.id().to_owned()
}

/// Delete a document.
#[mcp_tool(permission = "org:documents:delete")]
async fn delete(runs: &State<Runs>) -> String {
    runs.count();
    "deleted".to_owned()
}

/// Manage documents.
#[mcp_tool(any(permission = "org:documents:manage", scope = "documents:write"))]
async fn manage(runs: &State<Runs>) -> String {
    runs.count();
    "managed".to_owned()
}

/// Tell the time.
#[mcp_tool(public, read_only)]
async fn time(runs: &State<Runs>) -> String {
    runs.count();
    "noon".to_owned()
}

/// Tell the time, and the caller's name if there is one.
#[mcp_tool(public, read_only)]
async fn hello(caller: Option<&mcp_auth::Caller>, runs: &State<Runs>) -> String {
    runs.count();
    caller
        .map_or("nobody", |caller| caller.subject())
        .to_owned()
}

/// Show the invoices.
#[mcp_tool(feature = "org:billing")]
async fn invoices(runs: &State<Runs>) -> String {
    runs.count();
    "invoices".to_owned()
}

const MODULE: &str = "protocol::challenges";
const EXPORT_DENIED: &str = "Forbidden: documents:export scope required";
const MANAGE_DENIED: &str =
    "Forbidden: org:documents:manage permission or documents:write scope required";

/// The response to a denied call.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// HTTP 403 with a challenge for these scopes.
    Challenge(&'static str),
    /// An `isError` result, with the challenge for these scopes in `_meta`.
    Meta(&'static str),
    /// An `isError` result without a challenge: no new token would help.
    Words,
}

#[actix_web::test]
async fn each_denial_has_one_challenge_in_header_body_or_meta_in_both_eras() {
    let plain: fn(mcp_auth::ServerBuilder) -> mcp_auth::ServerBuilder =
        |builder| builder.session_tokens(AuthorizedParties::any());
    let as_results: fn(mcp_auth::ServerBuilder) -> mcp_auth::ServerBuilder =
        |builder| builder.scope_denials_as_results();
    let step_up: fn(mcp_auth::ServerBuilder) -> mcp_auth::ServerBuilder =
        |builder| builder.step_up_for_organization();
    let in_acme = TokenRequest::oauth("ada").org("acme");
    let bare = TokenRequest::oauth("ada").scopes(["profile"]);
    let none_chosen = TokenRequest::oauth("linus").scopes(["user:org:read"]);
    let session = TokenRequest::session("linus");
    let wide = "documents:export user:org:read";
    for (settings, token, tool, text, form) in [
        (
            plain,
            &in_acme,
            "export_documents",
            EXPORT_DENIED,
            Form::Challenge(wide),
        ),
        (
            as_results,
            &in_acme,
            "export_documents",
            EXPORT_DENIED,
            Form::Meta(wide),
        ),
        (
            plain,
            &bare,
            "export_documents",
            ORGANIZATION_REQUIRED,
            Form::Meta(wide),
        ),
        (
            step_up,
            &bare,
            "export_documents",
            ORGANIZATION_REQUIRED,
            Form::Challenge(wide),
        ),
        (
            plain,
            &bare,
            "organization",
            ORGANIZATION_REQUIRED,
            Form::Meta("user:org:read"),
        ),
        (
            step_up,
            &bare,
            "organization",
            ORGANIZATION_REQUIRED,
            Form::Challenge("user:org:read"),
        ),
        (
            plain,
            &none_chosen,
            "organization",
            ORGANIZATION_REQUIRED,
            Form::Words,
        ),
        (
            step_up,
            &none_chosen,
            "organization",
            ORGANIZATION_REQUIRED,
            Form::Words,
        ),
        (
            plain,
            &in_acme,
            "manage",
            MANAGE_DENIED,
            Form::Meta("documents:write user:org:read"),
        ),
        (
            plain,
            &bare,
            "manage",
            MANAGE_DENIED,
            Form::Meta("documents:write"),
        ),
        (plain, &session, "manage", MANAGE_DENIED, Form::Words),
        (
            plain,
            &session,
            "organization",
            ORGANIZATION_REQUIRED,
            Form::Words,
        ),
        (
            plain,
            &TokenRequest::oauth("grace").org("acme"),
            "delete",
            "Forbidden: org:documents:delete permission required",
            Form::Words,
        ),
    ] {
        for era in ERAS {
            let world = World::of(MODULE, |builder| {
                settings(builder).allow_unsatisfiable_guards()
            })
            .await;
            let token = world.mint(token);
            for _ in 0..2 {
                let reply = call(&world, era, Some(&token), tool).await;
                expect_form(&world, &reply, text, form);
            }
            // The third denial within five minutes has no challenge: the client was challenged
            // twice.
            let reply = call(&world, era, Some(&token), tool).await;
            expect_form(&world, &reply, text, Form::Words);
            world.expect_runs(0);
        }
    }
}

#[track_caller]
fn expect_form(world: &World, reply: &Reply, text: &str, form: Form) {
    match form {
        Form::Challenge(scopes) => {
            let data = reply.expect_refused_request(403, "insufficient_scope", text);
            assert_eq!(data["scope"], scopes);
            assert_eq!(data["mcp-auth-rs/denied"]["cure"]["scope"], scopes);
            let challenge = world.insufficient_scope_challenge(scopes, text);
            assert_eq!(reply.challenge(), challenge);
        }
        Form::Meta(scopes) => {
            expect_denial(reply, text);
            let challenge = world.insufficient_scope_challenge(scopes, text);
            assert_eq!(reply.challenges_in_meta(), Some(vec![challenge]));
        }
        Form::Words => {
            expect_denial(reply, text);
            assert_eq!(reply.challenges_in_meta(), None);
        }
    }
}

#[track_caller]
fn expect_denial(reply: &Reply, text: &str) {
    let result = reply.result();
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(result["content"][0]["text"], text, "{result}");
    assert!(reply.header("www-authenticate").is_none());
}

#[actix_web::test]
async fn a_step_up_keeps_the_organization_for_clients_that_request_exactly_the_named_scopes() {
    let world = World::of(MODULE, |builder| builder.allow_unsatisfiable_guards()).await;
    let narrow = world.mint(&TokenRequest::oauth("ada").org("acme"));
    let reply = call(&world, Era::Legacy, Some(&narrow), "export_documents").await;
    let data = reply.expect_refused_request(403, "insufficient_scope", EXPORT_DENIED);
    let scopes = data["scope"].as_str().unwrap().split(' ');
    // The next token has exactly the scopes of the challenge.
    let wide = TokenRequest::oauth("ada").org("acme").scopes(scopes);
    let wide = world.mint(&wide);
    for (tool, text) in [
        ("export_documents", "exported org_acme"),
        ("organization", "org_acme"),
    ] {
        let reply = call(&world, Era::Legacy, Some(&wide), tool).await;
        reply.expect_text(text);
    }
}

#[actix_web::test]
async fn a_refusal_is_oauth_json_before_the_message_is_read_and_a_json_rpc_error_after() {
    let world = World::of(MODULE, |builder| builder.allow_unsatisfiable_guards()).await;
    for era in ERAS {
        // The server has public tools, so the message is read before the missing token is noticed.
        let reply = call(&world, era, None, "organization").await;
        reply.expect_refused_request(401, "invalid_token", "An access token is required");
        assert_eq!(reply.challenge(), world.sign_in_challenge());
        let unknown = call(&world, era, None, "no_such_tool").await;
        unknown.expect_refused_request(401, "invalid_token", "An access token is required");
        assert_eq!(unknown.challenge(), world.sign_in_challenge());
    }
    let junk = world.post("no JSON").send().await;
    junk.expect_oauth_error(401, "invalid_token", "An access token is required");
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let reply = world.post(notification.to_string()).send().await;
    reply.expect_oauth_error(401, "invalid_token", "An access token is required");
    world.expect_runs(0);

    // A server without public tools does not read the message.
    let closed = World::of("protocol::tools", |builder| {
        builder.serve_if(|tool| !tool.guard().is_public())
    })
    .await;
    let reply = call(&closed, Era::Modern, None, "who_am_i").await;
    reply.expect_oauth_error(401, "invalid_token", "An access token is required");
}

#[actix_web::test]
async fn a_list_request_without_a_required_scope_is_refused_with_a_text_and_all_scopes() {
    let world = World::of(MODULE, |builder| {
        builder.allow_unsatisfiable_guards().require_scope("docs")
    })
    .await;
    let token = world.mint(&TokenRequest::oauth("ada").org("acme"));
    for era in ERAS {
        let reply = world.list(era).bearer(&token).send().await;
        let text = "Forbidden: docs scope required";
        let data = reply.expect_refused_request(403, "insufficient_scope", text);
        assert_eq!(data["scope"], "docs user:org:read");
    }
    // The third denial within five minutes has no challenge, so the client does not ask its user
    // again.
    for era in ERAS {
        let reply = world.list(era).bearer(&token).send().await;
        let error = &reply.expect_status(200).json()["error"];
        let expected = json!({ "code": 403, "message": "Forbidden: docs scope required" });
        assert_eq!(*error, expected);
        assert_eq!(reply.header("www-authenticate"), None);
    }
    world.clock.advance(Duration::from_secs(301));
    let reply = world.list(Era::Modern).bearer(&token).send().await;
    reply.expect_status(403);
}

#[actix_web::test]
async fn the_list_names_the_security_schemes_of_each_tool() {
    let world = World::of(MODULE, |builder| {
        builder
            .allow_unsatisfiable_guards()
            .session_tokens(AuthorizedParties::any())
            .discoverable()
    })
    .await;
    let oauth2 = |scopes: &[&str]| json!({ "type": "oauth2", "scopes": scopes });
    let none = json!({ "type": "noauth" });
    for era in ERAS {
        let result = world.list(era).send().await.result();
        let tools = result["tools"].as_array().unwrap();
        let published: Vec<_> = tools
            .iter()
            .map(|tool| {
                assert_eq!(tool["securitySchemes"], tool["_meta"]["securitySchemes"]);
                let name = tool["name"].as_str().unwrap();
                (name, tool["securitySchemes"].clone())
            })
            .collect();
        assert_eq!(
            published,
            [
                ("delete", json!([oauth2(&["user:org:read"])])),
                (
                    "export_documents",
                    json!([oauth2(&["documents:export", "user:org:read"])])
                ),
                ("hello", json!([none, oauth2(&[])])),
                // An OAuth token cannot carry a feature.
                ("invoices", Value::Null),
                (
                    "manage",
                    json!([oauth2(&["user:org:read"]), oauth2(&["documents:write"])])
                ),
                ("organization", json!([oauth2(&["user:org:read"])])),
                ("time", json!([none])),
            ]
        );
    }
}

#[actix_web::test]
async fn security_schemes_are_omitted_if_the_server_says_so() {
    let world = World::of(MODULE, |builder| {
        builder
            .allow_unsatisfiable_guards()
            .discoverable()
            .without_security_schemes()
    })
    .await;
    let list = world.list(Era::Modern).send().await;
    let text = String::from_utf8(list.body.clone()).unwrap();
    assert!(list.tools().contains(&"export_documents".to_owned()));
    assert!(!text.contains("securitySchemes"), "{text}");
}

async fn call(world: &World, era: Era, token: Option<&str>, tool: &str) -> Reply {
    let call = world.call(era, tool, json!({}));
    match token {
        Some(token) => call.bearer(token).send().await,
        None => call.send().await,
    }
}
