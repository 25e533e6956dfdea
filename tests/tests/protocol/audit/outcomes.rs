//! The record of each outcome.

use clerk_emulator::TokenRequest;
use mcp_auth::testing::TestServer;
use serde_json::{Value, json};

use super::{Kept, traced};
use crate::elicitation::ask_as;
use crate::parked::Gate;
use crate::support::{ERAS, Era, eventually, message, modern_meta};

mod tools {
    use mcp_auth::{Context, Org, ToolError, form, mcp_prompt, mcp_resource, mcp_tool};

    #[form]
    struct Name {
        name: String,
    }

    /// Say the text again.
    #[mcp_tool]
    async fn echo(text: String) -> String {
        text
    }

    /// Delete a document.
    #[mcp_tool(permission = "org:documents:delete")]
    async fn delete(id: String, org: &Org) -> String {
        format!("{id} of {} deleted", org.id())
    }

    /// Upload a file.
    #[mcp_tool(scope = "files:write")]
    async fn upload() {}

    /// Fail.
    #[mcp_tool]
    async fn fail() -> Result<(), ToolError> {
        Err(std::io::Error::other("the secret of the error").into())
    }

    /// Panic.
    #[mcp_tool]
    async fn crash() {
        panic!("the secret of the panic")
    }

    /// Knock.
    #[mcp_tool(public, rate = "1/hour per user")]
    async fn knock() {}

    /// Ask for a name.
    #[mcp_tool]
    async fn ask(cx: &Context) -> Result<String, ToolError> {
        let name: Name = cx.elicit("Your name?").await?;
        Ok(name.name)
    }

    /// Greet somebody.
    #[mcp_prompt(permission = "org:documents:read")]
    async fn greeting(name: String) -> String {
        name
    }

    /// A page of a book.
    #[mcp_resource("book://{page}")]
    async fn page(page: u32) -> String {
        page.to_string()
    }
}

const TOOLS: &str = "protocol::audit::outcomes::tools";

mod confirmed {
    use mcp_auth::mcp_tool;

    /// Archive a document, if a person agrees.
    #[mcp_tool(confirm = "Archive {id}?")]
    async fn archive(id: String) -> String {
        id
    }
}

/// The members of a record that a test expects, without those that differ from run to run.
fn facts(mut record: Value) -> Value {
    let members = record.as_object_mut().unwrap();
    assert_eq!(members.remove("v"), Some(json!(1)));
    assert!(members.remove("time").is_some());
    for member in ["duration_us", "request", "client"] {
        members.remove(member);
    }
    if let Some(digest) = members.get_mut("arguments") {
        assert!(digest.as_str().unwrap().starts_with("hmac-sha256:"));
        *digest = json!("a digest");
    }
    record
}

fn from_token() -> Value {
    json!({ "caller": { "from": "token" } })
}

#[actix_web::test]
async fn an_allowed_call_says_who_used_what_and_where_each_fact_came_from() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    let ada = world.ada();
    for era in ERAS {
        let call = world
            .call(era, "delete", json!({ "id": "d1" }))
            .bearer(&ada);
        traced(call, 7)
            .send()
            .await
            .expect_text("d1 of org_acme deleted");
        let record = kept.one().await;
        for member in ["duration_us", "client"] {
            assert!(record.get(member).is_some(), "{record}");
        }
        let age = record["facts"]["membership"]["age_ms"].as_u64().unwrap();
        assert!(age < 30_000, "{record}");
        let mut facts = facts(record);
        facts["facts"]["membership"]["age_ms"] = json!("some");
        let expected = json!({
            "event": "decision",
            "outcome": "allowed",
            "method": "tools/call",
            "primitive": { "kind": "tool", "name": "delete" },
            "guard": "organization, permission org:documents:delete",
            "subject": "user_ada",
            "token": "oauth",
            "organization": "org_acme",
            "facts": {
                "caller": { "from": "token" },
                "organization": "token",
                "membership": { "from": "look_up", "age_ms": "some" },
            },
            "arguments": "a digest",
            "trace_id": super::trace_of(7),
        });
        assert_eq!(facts, expected);
    }
}

#[actix_web::test]
async fn a_denied_call_names_the_requirement() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    let (grace, linus) = (world.grace(), world.linus());
    for (tool, token, kind, names) in [
        (
            "delete",
            &grace,
            "permission",
            json!(["org:documents:delete"]),
        ),
        ("delete", &linus, "organization", json!([])),
        ("upload", &linus, "scope", json!(["files:write"])),
    ] {
        let arguments = json!({ "id": "a secret id" });
        world
            .call(Era::Modern, tool, arguments)
            .bearer(token)
            .send()
            .await;
        let record = kept.one().await;
        assert_eq!(record["outcome"], "denied");
        assert_eq!(
            record["requirement"],
            json!({ "kind": kind, "names": names })
        );
        assert_eq!(record["primitive"]["name"], tool);
        assert!(record["arguments"].is_string() && record["request"].is_string());
        assert!(!record.to_string().contains("a secret id"), "{record}");
    }
    let prompt = json!({ "name": "greeting", "arguments": { "name": "x" } });
    let reply = world.ask(Era::Modern, "prompts/get", prompt).bearer(&linus);
    assert_eq!(reply.send().await.json()["error"]["code"], -32602);
    let record = kept.one().await;
    assert_eq!(record["outcome"], "denied");
    assert_eq!(
        record["primitive"],
        json!({ "kind": "prompt", "name": "greeting" })
    );
}

#[actix_web::test]
async fn a_scope_of_the_server_that_is_missing_is_a_denial_of_every_method() {
    let required = |builder: mcp_auth::ServerBuilder| builder.require_scope("documents");
    let (world, kept) = Kept::world(TOOLS, required).await;
    world
        .list(Era::Modern)
        .bearer(&world.ada())
        .send()
        .await
        .expect_status(403);
    let expected = json!({
        "event": "decision",
        "outcome": "denied",
        "method": "tools/list",
        "requirement": { "kind": "scope", "names": ["documents"] },
        "reason": "Forbidden: documents scope required",
        "subject": "user_ada",
        "token": "oauth",
        "facts": from_token(),
    });
    assert_eq!(facts(kept.one().await), expected);
}

#[actix_web::test]
async fn a_failed_call_has_the_error_id_of_the_response_and_no_text_of_the_function() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    for (tool, arguments, outcome, reason) in [
        ("fail", json!({}), "failed", "internal error"),
        ("crash", json!({}), "panicked", "internal error"),
        (
            "echo",
            json!({ "text": 7 }),
            "invalid",
            "the arguments do not fit the schema",
        ),
    ] {
        let reply = world
            .call(Era::Modern, tool, arguments)
            .bearer(&world.ada());
        let text = reply.send().await.text();
        let record = kept.one().await;
        assert_eq!(
            (&record["outcome"], &record["reason"]),
            (&json!(outcome), &json!(reason))
        );
        if let Some(id) = text.strip_prefix("Internal error, reference ") {
            assert_eq!(record["request"], id);
        }
        assert!(!record.to_string().contains("secret"), "{record}");
    }
}

#[actix_web::test]
async fn a_limited_call_is_a_record_with_and_without_a_token() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    for token in [Some(world.ada()), None] {
        for outcome in ["allowed", "limited"] {
            let call = world.call(Era::Modern, "knock", json!({}));
            let call = match &token {
                Some(token) => call.bearer(token),
                None => call,
            };
            call.send().await;
            let record = kept.one().await;
            assert_eq!(record["outcome"], outcome, "{record}");
            assert_eq!(record.get("subject").is_some(), token.is_some());
            assert_eq!(record.get("facts").is_some(), token.is_some());
        }
    }
}

#[actix_web::test]
async fn an_unknown_name_is_a_record_without_the_name() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    let name = "a-name-that-a-stranger-chose";
    for (method, params, kind) in [
        ("tools/call", json!({ "name": name }), "tool"),
        ("prompts/get", json!({ "name": name }), "prompt"),
        (
            "resources/read",
            json!({ "uri": format!("{name}://x") }),
            "resource",
        ),
    ] {
        let ask = traced(world.ask(Era::Modern, method, params), 3);
        ask.bearer(&world.ada()).send().await;
        let expected = json!({
            "event": "decision",
            "outcome": "unknown",
            "method": method,
            "primitive": { "kind": kind },
            "subject": "user_ada",
            "token": "oauth",
            "facts": from_token(),
            "trace_id": super::trace_of(3),
        });
        assert_eq!(facts(kept.one().await), expected);
    }
}

#[actix_web::test]
async fn a_list_is_one_record() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        let list = world
            .ask(Era::Modern, method, json!({}))
            .bearer(&world.ada());
        list.send().await.result();
        let expected = json!({
            "event": "decision",
            "outcome": "allowed",
            "method": method,
            "subject": "user_ada",
            "token": "oauth",
            "facts": from_token(),
        });
        assert_eq!(facts(kept.one().await), expected);
    }
}

#[actix_web::test]
async fn a_call_that_asks_and_its_second_round_are_two_records() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    let params = json!({ "name": "ask", "arguments": {} });
    let ask = |params| ask_as(&world, &json!({ "elicitation": {} }), "tools/call", params);
    let reply = ask(params.clone()).bearer(&world.ada()).send().await;
    let (questions, state) = crate::elicitation::questions(&reply);
    assert_eq!(kept.one().await["outcome"], "asked");
    let (id, _) = questions.as_object().unwrap().iter().next().unwrap();
    let answers = json!({ id: { "action": "accept", "content": { "name": "Ada" } } });
    let params = crate::elicitation::again(params, &state, answers);
    ask(params)
        .bearer(&world.ada())
        .send()
        .await
        .expect_text("Ada");
    assert_eq!(kept.one().await["outcome"], "allowed");
}

#[actix_web::test]
async fn a_call_whose_client_goes_away_is_cancelled() {
    let gate = Gate::closed();
    let state = gate.clone();
    let (world, kept) = Kept::world("protocol::parked", |builder| builder.state(state)).await;
    let call = world
        .call(Era::Modern, "wait", json!({}))
        .bearer(&world.ada());
    let call = tokio::spawn(call.start());
    eventually("the call has begun", || gate.entered() == 1).await;
    call.abort();
    let record = kept.one().await;
    assert_eq!(record["outcome"], "cancelled", "{record}");
    assert_eq!(record["primitive"]["name"], "wait");
}

#[actix_web::test]
async fn while_memberships_cannot_be_looked_up_a_call_fails() {
    let (mut world, kept) = Kept::world(TOOLS, |builder| builder).await;
    let ada = world.ada();
    world
        .call(Era::Modern, "echo", json!({ "text": "x" }))
        .bearer(&ada)
        .send()
        .await
        .expect_text("x");
    kept.one().await;
    // A connection that is still open must not look the membership up.
    world.instance.fail_with(Some(503));
    world.clerk.take().unwrap().stop().await;
    let call = world
        .call(Era::Modern, "delete", json!({ "id": "d1" }))
        .bearer(&ada);
    call.send().await.expect_status(503);
    let record = kept.one().await;
    assert_eq!(record["outcome"], "unavailable", "{record}");
    assert_eq!(
        record["reason"],
        "the data for the decision cannot be looked up now"
    );
    assert!(record.get("organization").is_none(), "{record}");
}

#[actix_web::test]
async fn an_opaque_token_is_a_look_up_and_an_actor_is_named() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    let opaque = world.mint(&TokenRequest::oauth("ada").opaque());
    let echo = |token: &str| {
        world
            .call(Era::Modern, "echo", json!({ "text": "x" }))
            .bearer(token)
    };
    echo(&opaque).send().await.expect_text("x");
    let record = kept.one().await;
    assert_eq!(record["facts"]["caller"]["from"], "look_up", "{record}");
    assert!(record["facts"]["caller"]["age_ms"].is_u64(), "{record}");
    let server = TestServer::of(mcp_auth::server!(tools = [tools]));
    let acted = server
        .user("ada")
        .claim("act", json!({ "sub": "user_grace" }));
    acted.call("echo", json!({ "text": "x" })).await.expect_ok();
    let records = server.audit();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].subject.as_deref(), Some("user_ada"));
    assert_eq!(records[0].actor.as_deref(), Some("user_grace"));
    assert!(server.audit().is_empty());
}

#[actix_web::test]
async fn equal_arguments_have_one_digest_and_a_resource_has_that_of_its_variables() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder.state_keys([KEY])).await;
    let ada = world.ada();
    let mut digests = Vec::new();
    for body in [
        r#"{"name":"echo","arguments":{"text":"x"}}"#,
        r#"{"name":"echo","arguments": { "text" : "\u0078" } }"#,
        r#"{"name":"echo","arguments":{"text":"y"}}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{body}}}"#);
        world
            .post(body)
            .header("mcp-protocol-version", "2025-11-25")
            .bearer(&ada)
            .send()
            .await
            .result();
        digests.push(kept.one().await["arguments"].clone());
    }
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    let read = world
        .ask(Era::Modern, "resources/read", json!({ "uri": "book://7" }))
        .bearer(&ada);
    read.send().await.result();
    let record = kept.one().await;
    assert_eq!(
        record["primitive"],
        json!({ "kind": "resource", "name": "book://{page}" })
    );
    assert!(record["arguments"].is_string(), "{record}");

    // Another process with the same key makes the same digests. A process with a random key makes other digests.
    for (key, same) in [(Some(KEY), true), (None, false)] {
        let keyed = |builder: mcp_auth::ServerBuilder| match key {
            Some(key) => builder.state_keys([key]),
            None => builder,
        };
        let (world, kept) = Kept::world(TOOLS, keyed).await;
        let call = world
            .call(Era::Modern, "echo", json!({ "text": "x" }))
            .bearer(&world.ada());
        call.send().await.result();
        assert_eq!(kept.one().await["arguments"] == digests[0], same);
    }
}

#[actix_web::test]
async fn a_call_has_one_digest_with_and_without_a_confirmation_code() {
    let codes = |builder: mcp_auth::ServerBuilder| builder.allow_confirmation_codes();
    let (world, kept) = Kept::world("protocol::audit::outcomes::confirmed", codes).await;
    let ada = world.ada();
    let call = async |arguments: Value| {
        let call = world.call(Era::Legacy, "archive", arguments);
        let result = call.bearer(&ada).send().await.result();
        (result, kept.one().await)
    };
    let (question, asked) = call(json!({ "id": "d1" })).await;
    let code = &question["_meta"]["mcp-auth-rs/confirmation"]["code"];
    let (_, allowed) = call(json!({ "confirmation_code": code, "id": "d1" })).await;
    let (_, wrong) = call(json!({ "id": "d1", "confirmation_code": 7 })).await;
    let outcomes = [&asked, &allowed, &wrong].map(|record| record["outcome"].as_str().unwrap());
    assert_eq!(outcomes, ["asked", "allowed", "failed"]);
    assert!(asked["arguments"].is_string(), "{asked}");
    for record in [allowed, wrong] {
        assert_eq!(record["arguments"], asked["arguments"], "{record}");
    }
    // The arguments of a call decide its digest.
    let (_, other) = call(json!({ "id": "d2" })).await;
    assert_ne!(other["arguments"], asked["arguments"]);
}

#[actix_web::test]
async fn the_trace_id_of_the_message_goes_before_that_of_the_header() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    let call = |traceparent: &str| {
        let mut meta = modern_meta();
        meta["traceparent"] = traceparent.into();
        let params = json!({ "name": "echo", "arguments": { "text": "x" }, "_meta": meta });
        let mut ask = world.call(Era::Modern, "echo", json!({ "text": "x" }));
        ask.body = message("tools/call", params).into_bytes();
        traced(ask.bearer(&world.ada()), 1)
    };
    let of_message = "0af7651916cd43dd8448eb211c80319c";
    call(&format!("00-{of_message}-b7ad6b7169203331-00"))
        .send()
        .await
        .expect_text("x");
    assert_eq!(kept.one().await["trace_id"], of_message);
    // A text of another form is no trace id, and does not get into the log.
    call("a text of the client").send().await.expect_text("x");
    assert_eq!(kept.one().await.get("trace_id"), None);
}

#[actix_web::test]
async fn mixed_calls_have_exactly_one_record_each() {
    let (world, kept) = Kept::world(TOOLS, |builder| builder).await;
    let (ada, grace) = (world.ada(), world.grace());
    let mut expected = Vec::new();
    for round in 0..40 {
        let asks = [
            (
                "allowed",
                world.call(Era::Legacy, "echo", json!({ "text": "x" })),
            ),
            (
                "invalid",
                world.call(Era::Modern, "echo", json!({ "text": round })),
            ),
            ("panicked", world.call(Era::Modern, "crash", json!({}))),
            ("unknown", world.call(Era::Modern, "none", json!({}))),
            ("denied", world.call(Era::Legacy, "upload", json!({}))),
            ("allowed", world.list(Era::Modern)),
            (
                "allowed",
                world.ask(Era::Modern, "resources/read", json!({ "uri": "book://1" })),
            ),
            (
                "unknown",
                world.ask(Era::Modern, "resources/read", json!({ "uri": "none://1" })),
            ),
        ];
        let token = if round % 2 == 0 { &ada } else { &grace };
        let asks = asks.into_iter().enumerate().map(|(place, (outcome, ask))| {
            let number = round * 8 + place;
            expected.push((super::trace_of(number), outcome));
            traced(ask.bearer(token), number).send()
        });
        futures_util::future::join_all(asks).await;
    }
    let records = kept.take(expected.len()).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = records
        .iter()
        .map(|one| (text(&one["trace_id"]), text(&one["outcome"])))
        .collect();
    found.sort();
    expected.sort();
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(trace, outcome)| (trace, outcome.to_owned()))
        .collect();
    assert_eq!(found, expected);
}

const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
