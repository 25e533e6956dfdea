//! Sessions of legacy clients: who finds a session, what belongs to it, and how it ends.

mod client;
mod questions;
mod streams;
mod updates;
mod vanishing;

use clerk_emulator::TokenRequest;
use mcp_auth::OrganizationSource::UrlQuery;
use mcp_auth::ServerBuilder;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

use crate::parked::Gate;
use crate::raw;
use crate::schema::{expect_error, expect_result};
use crate::support::{Era, LEGACY, MODERN, World, eventually, message, modern_meta};

use self::client::{Session, initialize};

mod tools {
    use std::time::Duration;

    use mcp_auth::{Context, LogLevel, State, mcp_resource, mcp_tool};
    use serde_json::json;

    use crate::parked::Gate;

    /// Tell who is calling.
    #[mcp_tool]
    async fn who_am_i(caller: &mcp_auth::Caller) -> String {
        caller.subject().to_owned()
    }

    /// Delete a document.
    #[mcp_tool(permission = "org:documents:delete")]
    async fn delete_document() -> &'static str {
        "deleted"
    }

    /// Wait to be released.
    #[mcp_tool]
    async fn park(gate: &State<Gate>) -> &'static str {
        gate.pass("park").await;
        "passed"
    }

    /// Close the stream, and wait to be released.
    #[mcp_tool]
    async fn close(gate: &State<Gate>, cx: &Context) -> &'static str {
        cx.progress(1, 3, None);
        cx.close_stream();
        gate.pass("close").await;
        cx.progress(2, 3, None);
        "closed and done"
    }

    /// Report, and wait to be released.
    #[mcp_tool]
    async fn report(gate: &State<Gate>, cx: &Context) -> &'static str {
        cx.progress(1, 2, None);
        gate.pass("report").await;
        cx.progress(2, 2, None);
        "reported"
    }

    /// Log at each level.
    #[mcp_tool]
    async fn log_all(cx: &Context) -> &'static str {
        for level in [LogLevel::Debug, LogLevel::Info, LogLevel::Error] {
            cx.log(level, None, json!({ "level": level.to_string() }));
        }
        "logged"
    }

    /// Send more than a session keeps.
    #[mcp_tool]
    async fn flood(gate: &State<Gate>, cx: &Context) -> &'static str {
        for number in 0..2000 {
            cx.log(
                LogLevel::Info,
                None,
                format!("{number}{}", "x".repeat(1000)),
            );
            actix_web::rt::time::sleep(Duration::from_micros(10)).await;
        }
        gate.pass("flood").await;
        "flooded"
    }

    /// Say that a document changed.
    #[mcp_tool]
    async fn change(uri: String, notifier: &mcp_auth::Notifier) -> &'static str {
        notifier.resource_updated(uri);
        "changed"
    }

    /// A document that anyone may read.
    #[mcp_resource("docs://open")]
    async fn open_document() -> &'static str {
        "open"
    }

    /// A document that a role may read.
    #[mcp_resource("docs://secret/{id}", permission = "org:documents:delete")]
    async fn secret_document(id: String) -> String {
        id
    }

    /// A document of one user.
    #[mcp_resource("docs://owned/{id}", authorize = owns(id, caller))]
    async fn owned_document(id: String, caller: &mcp_auth::Caller) -> String {
        format!("{id} of {}", caller.subject())
    }

    fn owns(id: &str, caller: &mcp_auth::Caller) -> bool {
        caller.subject() == id
    }
}

async fn world() -> (World, Gate) {
    with(|builder| builder).await
}

async fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (World, Gate) {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::sessions::tools", |builder| {
        settings(builder.state(state).legacy_sessions())
    })
    .await;
    (world, gate)
}

/// Expects the refusal of a session that does not exist.
#[track_caller]
fn expect_no_session(reply: &crate::reply::Reply) {
    let text = "There is no session with this id; send `initialize` to begin a new session";
    let body = reply.expect_status(404).json();
    let error = if body["jsonrpc"] == "2.0" {
        assert_eq!(body["error"]["message"], text);
        &body["error"]["data"]
    } else {
        &body
    };
    assert_eq!(error["error"], "session_not_found", "{body}");
    assert_eq!(error["error_description"], text, "{body}");
}

#[actix_web::test]
async fn initialize_returns_an_id_of_visible_characters_and_later_requests_have_it() {
    let (world, _) = world().await;
    for version in [LEGACY, "2025-06-18", "2025-03-26"] {
        let reply = initialize(&world, &world.ada(), version).send().await;
        let result = expect_result(Era::Legacy, "InitializeResult", &reply);
        assert_eq!(result["protocolVersion"], version);
        assert_eq!(
            result["capabilities"]["resources"],
            json!({ "listChanged": true, "subscribe": true })
        );
        let id = reply.header("mcp-session-id").unwrap();
        assert!(id.len() >= 43, "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");

        let session = Session::open(&world, &world.ada()).await;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        session.post(&initialized).send().await.expect_status(202);
        let reply = session.ask("ping", json!({})).send().await;
        assert_eq!(expect_result(Era::Legacy, "EmptyResult", &reply), json!({}));
        let reply = session.ask("tools/list", json!({})).send().await;
        expect_result(Era::Legacy, "ListToolsResult", &reply);
        let reply = session.call("who_am_i", json!({})).send().await;
        expect_result(Era::Legacy, "CallToolResult", &reply);
        reply.expect_text("user_ada");
        assert_eq!(reply.header("mcp-session-id"), None);
    }
}

#[actix_web::test]
async fn without_the_setting_there_are_no_sessions() {
    let world = World::new().await;
    let ada = world.ada();
    let reply = initialize(&world, &ada, LEGACY).send().await;
    assert_eq!(reply.header("mcp-session-id"), None);
    assert_eq!(reply.result()["capabilities"], json!({ "tools": {} }));
    // The header has no effect.
    let ask = world.call(Era::Legacy, "who_am_i", json!({})).bearer(&ada);
    ask.header("mcp-session-id", "any")
        .send()
        .await
        .expect_text("user_ada");
    for method in [Method::GET, Method::DELETE] {
        let ask = world.request(method, "/mcp").bearer(&ada);
        let ask = ask
            .header("accept", "text/event-stream")
            .header("mcp-session-id", "any");
        let reply = ask.send().await;
        assert_eq!(
            reply.expect_status(405).header("allow"),
            Some("POST, OPTIONS")
        );
    }
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let ask = world
            .ask(Era::Legacy, method, json!({ "uri": "docs://open" }))
            .bearer(&ada);
        expect_error(Era::Legacy, 200, -32601, &ask.send().await);
    }
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
    let ask = world
        .post(response)
        .bearer(&ada)
        .header("mcp-session-id", "any");
    ask.send().await.expect_rpc_error(400, -32600);
}

#[actix_web::test]
async fn a_legacy_request_without_the_header_needs_no_session() {
    let (world, _) = world().await;
    let ask = world
        .call(Era::Legacy, "who_am_i", json!({}))
        .bearer(&world.ada());
    ask.send().await.expect_text("user_ada");
}

#[actix_web::test]
async fn a_modern_request_ignores_the_header() {
    let (world, _) = world().await;
    let ask = world
        .call(Era::Modern, "who_am_i", json!({}))
        .bearer(&world.ada());
    let reply = ask.header("mcp-session-id", "none").send().await;
    reply.expect_text("user_ada");
    let discover = world
        .ask(Era::Modern, "server/discover", json!({}))
        .bearer(&world.ada());
    let result = discover.send().await.result();
    let modern = json!({ "listChanged": true, "subscribe": true });
    assert_eq!(result["capabilities"]["resources"], modern);
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let ask = world.ask(Era::Modern, method, json!({ "uri": "docs://open" }));
        let reply = ask.bearer(&world.ada()).send().await;
        expect_error(Era::Modern, 404, -32601, &reply);
    }
    let session = Session::open(&world, &world.ada()).await;
    for method in [Method::GET, Method::DELETE] {
        let ask = session
            .request(method)
            .header("mcp-protocol-version", MODERN);
        let reply = ask.send().await;
        let allowed = Some("GET, POST, DELETE, OPTIONS");
        assert_eq!(reply.expect_status(405).header("allow"), allowed);
    }
    session
        .call("who_am_i", json!({}))
        .send()
        .await
        .expect_text("user_ada");
}

#[actix_web::test]
async fn a_session_of_somebody_else_does_not_exist() {
    let (world, _) = world().await;
    world
        .instance
        .set_member("ada", "globex", "member", &["org:documents:read"]);
    let session = Session::open(&world, &world.ada()).await;
    let token = |client: &str, org: &str| {
        world.mint(&TokenRequest::oauth("ada").client_id(client).org(org))
    };
    let others = [
        ("another user", world.grace()),
        ("another client of the user", token("client_other", "acme")),
        ("another organization", token("client_emulator", "globex")),
        ("no organization", world.mint(&TokenRequest::oauth("ada"))),
    ];
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 },
    });
    let answer = json!({ "jsonrpc": "2.0", "id": "x", "result": {} });
    let mut bodies = Vec::new();
    for (who, token) in &others {
        let foreign = session.with_token(token);
        for ask in [
            foreign.ask("ping", json!({})),
            foreign.call("who_am_i", json!({})),
            foreign.ask("tools/list", json!({})),
            foreign.ask("unknown/method", json!({})),
            foreign.ask("resources/subscribe", json!({ "uri": "docs://open" })),
            foreign.post(&cancel),
            foreign.post(&answer),
            foreign.get(),
            foreign.get().header("last-event-id", "0-0"),
            foreign.request(Method::DELETE),
        ] {
            let reply = ask.send().await;
            assert_eq!(reply.status, 404, "{who}");
            expect_no_session(&reply);
        }
        bodies.push(foreign.ask("ping", json!({})).send().await.body);
    }
    // A session that never was has the same response.
    let unknown = session.with_id(&"A".repeat(43));
    bodies.push(unknown.ask("ping", json!({})).send().await.body);
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    // The session was neither ended nor changed.
    session
        .call("who_am_i", json!({}))
        .send()
        .await
        .expect_text("user_ada");
}

#[actix_web::test]
async fn another_token_of_the_same_principal_continues_the_session() {
    let (world, _) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let renewed = session.with_token(&world.ada());
    renewed
        .call("who_am_i", json!({}))
        .send()
        .await
        .expect_text("user_ada");
}

#[actix_web::test]
async fn the_organization_in_the_url_belongs_to_the_session() {
    let (world, _) = with(|builder| builder.organization_from([UrlQuery])).await;
    let ada = world.mint(&TokenRequest::oauth("ada"));
    let opened = initialize(&world, &ada, LEGACY)
        .query("org=acme")
        .send()
        .await;
    let session = Session::of(&world, &ada, opened.header("mcp-session-id").unwrap());
    let ping = session.ask("ping", json!({}));
    for (query, status) in [
        ("org=acme", 200),
        ("org=globex", 404),
        ("", 404),
        ("org=", 404),
    ] {
        let reply = ping.clone().query(query).send().await;
        assert_eq!(reply.status, status, "{query}");
        let reply = session.get().query(query).start().await;
        assert_eq!(reply.status(), status, "{query}");
    }
}

#[actix_web::test]
async fn a_tampered_id_does_not_exist() {
    let (world, _) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let id = session.id().to_owned();
    let other = if id.starts_with('A') { "B" } else { "A" };
    for wrong in [
        id[1..].to_owned(),
        format!("{id}A"),
        format!("{other}{}", &id[1..]),
        id.to_lowercase(),
        String::new(),
        "x".repeat(8000),
        "..".to_owned(),
        "\u{e9}".to_owned(),
    ] {
        let reply = session.with_id(&wrong).ask("ping", json!({})).send().await;
        expect_no_session(&reply);
        expect_no_session(&session.with_id(&wrong).get().send().await);
    }
    // Two ids are no id.
    let twice = session
        .ask("ping", json!({}))
        .and_header("mcp-session-id", &id);
    expect_no_session(&twice.send().await);
    session
        .ask("ping", json!({}))
        .send()
        .await
        .expect_status(200);
}

#[actix_web::test]
async fn a_session_is_no_authentication() {
    let (world, _) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let expired = world.mint(&TokenRequest::oauth("ada").org("acme").expires_in(-60));
    for ask in [
        session.ask("ping", json!({})),
        session.get(),
        session.request(Method::DELETE),
    ] {
        ask.clone()
            .without("authorization")
            .send()
            .await
            .expect_status(401);
        ask.bearer(&expired).send().await.expect_status(401);
    }
    // The guard decides in a session as without one.
    let grace = Session::open(&world, &world.grace()).await;
    let reply = grace.call("delete_document", json!({})).send().await;
    assert_eq!(reply.text(), crate::support::PERMISSION_DENIED);
    let ada = session.call("delete_document", json!({})).send().await;
    ada.expect_text("deleted");
}

#[actix_web::test]
async fn a_token_without_a_scope_of_the_server_opens_no_stream_and_ends_no_session() {
    let (world, _) = with(|builder| builder.require_scope("documents")).await;
    let token = |scope: &[&str]| {
        let scopes = scope.iter().map(|scope| (*scope).to_owned());
        world.mint(&TokenRequest::oauth("ada").org("acme").scopes(scopes))
    };
    let all = ["documents", "user:org:read"];
    let session = Session::open(&world, &token(&all)).await;
    let narrow = session.with_token(&token(&["user:org:read"]));
    for method in [Method::GET, Method::DELETE] {
        let reply = narrow.request(method).send().await;
        assert!(
            reply
                .expect_status(403)
                .challenge()
                .contains("insufficient_scope")
        );
    }
    // No third challenge is sent.
    narrow.get().send().await.expect_status(405);
    session
        .ask("ping", json!({}))
        .send()
        .await
        .expect_status(200);
}

#[actix_web::test]
async fn a_token_that_only_clerk_can_read_gets_no_session() {
    let (world, _) = with(|builder| builder.api_keys(mcp_auth::ApiKeyScopes::any_key())).await;
    let session = Session::open(&world, &world.ada()).await;
    let opaque = world.mint(&TokenRequest::oauth("ada").org("acme").opaque());
    let key = world.mint(&TokenRequest::api_key("ada"));
    for token in [opaque, key] {
        let reply = initialize(&world, &token, LEGACY).send().await;
        assert_eq!(reply.expect_status(200).header("mcp-session-id"), None);
        let call = world.call(Era::Legacy, "who_am_i", json!({}));
        call.bearer(&token).send().await.expect_text("user_ada");
        let ask = session.with_token(&token).call("who_am_i", json!({}));
        expect_no_session(&ask.send().await);
    }
}

#[actix_web::test]
async fn a_caller_without_a_token_gets_no_session() {
    let (world, _) = with(ServerBuilder::discoverable).await;
    let opened = world.post(message("initialize", client::params(LEGACY)));
    let reply = opened.send().await;
    assert_eq!(reply.header("mcp-session-id"), None);
    assert_eq!(reply.result()["capabilities"]["resources"], json!({}));
    world.list(Era::Legacy).send().await.expect_status(200);
    // It does not find the session of a caller with a token either.
    let session = Session::open(&world, &world.ada()).await;
    let list = session
        .ask("tools/list", json!({}))
        .without("authorization");
    expect_no_session(&list.send().await);
    session
        .get()
        .without("authorization")
        .send()
        .await
        .expect_status(405);
}

#[actix_web::test]
async fn delete_ends_the_session() {
    let (world, _) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let other = Session::open(&world, &world.ada()).await;
    let reply = session.request(Method::DELETE).send().await;
    assert!(reply.expect_status(204).body.is_empty());
    for ask in [
        session.ask("ping", json!({})),
        session.get(),
        session.request(Method::DELETE),
    ] {
        expect_no_session(&ask.send().await);
    }
    other.ask("ping", json!({})).send().await.expect_status(200);
}

#[actix_web::test]
async fn a_get_or_a_delete_names_a_session_and_a_supported_revision() {
    let (world, _) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    for method in [Method::GET, Method::DELETE] {
        let reply = session
            .request(method.clone())
            .without("mcp-session-id")
            .send()
            .await;
        reply.expect_oauth_error(400, "invalid_request", "Send the header Mcp-Session-Id");
        let ask = session
            .request(method.clone())
            .header("mcp-protocol-version", "v9");
        let text = "The server does not support this MCP-Protocol-Version";
        ask.send()
            .await
            .expect_oauth_error(400, "invalid_request", text);
    }
    for accept in ["application/json", "text/event-stream;q=0"] {
        let reply = session.get().header("accept", accept).send().await;
        assert_eq!(reply.expect_status(406).json()["error"], "not_acceptable");
    }
    let put = session.request(Method::PUT).send().await;
    let allowed = Some("GET, POST, DELETE, OPTIONS");
    assert_eq!(put.expect_status(405).header("allow"), allowed);
}

#[actix_web::test]
async fn pages_may_send_get_and_delete_and_read_the_id() {
    let (world, _) = world().await;
    let origin = "http://localhost:6274";
    let preflight = world
        .request(Method::OPTIONS, "/mcp")
        .header("origin", origin);
    let preflight = preflight.header("access-control-request-method", "DELETE");
    let reply = preflight.send().await;
    let methods = reply.header("access-control-allow-methods");
    assert_eq!(methods, Some("GET, POST, DELETE, OPTIONS"));
    let headers = reply.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("mcp-session-id") && headers.contains("last-event-id"));
    let opened = initialize(&world, &world.ada(), LEGACY).header("origin", origin);
    let reply = opened.send().await;
    let exposed = reply.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("Mcp-Session-Id"), "{exposed}");
    let session = Session::open(&world, &world.ada()).await;
    for (origin, status) in [(origin, 200), ("https://evil.example", 403)] {
        let reply = session.get().header("origin", origin).start().await;
        assert_eq!(reply.status(), status, "{origin}");
    }
}

#[actix_web::test]
async fn a_session_ends_after_half_an_hour_without_use() {
    let (world, _) = world().await;
    let token = || world.mint(&TokenRequest::oauth("ada").org("acme").expires_in(90_000));
    let session = Session::open(&world, &token()).await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(29 * 60));
        session
            .ask("ping", json!({}))
            .send()
            .await
            .expect_status(200);
    }
    world.clock.advance(Duration::from_secs(30 * 60));
    expect_no_session(&session.ask("ping", json!({})).send().await);
}

#[actix_web::test]
async fn the_level_of_log_messages_belongs_to_the_session() {
    let (world, _) = world().await;
    let ada = world.ada();
    let [one, other] = [
        Session::open(&world, &ada).await,
        Session::open(&world, &ada).await,
    ];
    let level = async |session: &Session<'_>, level: &str| {
        let params = json!({ "level": level });
        let reply = session.ask("logging/setLevel", params).send().await;
        assert_eq!(reply.result(), json!({}));
    };
    let logs = async |session: &Session<'_>| {
        let events = session.events(session.call("log_all", json!({}))).await;
        let logs = events
            .iter()
            .filter(|event| event.is("notifications/message"));
        logs.count()
    };
    assert_eq!(logs(&one).await, 0);
    level(&one, "info").await;
    assert_eq!((logs(&one).await, logs(&other).await), (2, 0));
    level(&other, "debug").await;
    assert_eq!((logs(&one).await, logs(&other).await), (2, 3));
    // Requests without a session keep the level of their principal.
    let stateless = world.call(Era::Legacy, "log_all", json!({})).bearer(&ada);
    assert!(!stateless.send().await.is_stream());
}

#[actix_web::test]
async fn a_client_cancels_only_the_requests_of_its_session() {
    let (world, gate) = world().await;
    let ada = world.ada();
    let [one, other] = [
        Session::open(&world, &ada).await,
        Session::open(&world, &ada).await,
    ];
    let grace = Session::open(&world, &world.grace()).await;
    let cancelling = |id: Value| {
        let params = json!({ "requestId": id, "reason": "enough" });
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })
    };
    let waiting = tokio::spawn(one.call("park", json!({})).send());
    eventually("the call waits", || gate.entered() == 1).await;
    for session in [&other, &grace] {
        session
            .post(&cancelling(json!(1)))
            .send()
            .await
            .expect_status(202);
    }
    let stateless = world.post(cancelling(json!(1)).to_string()).bearer(&ada);
    stateless.send().await.expect_status(202);
    for wrong in [json!(2), json!("1"), json!(null), json!({ "a": [] })] {
        one.post(&cancelling(wrong)).send().await.expect_status(202);
    }
    assert!(gate.abandoned().is_empty());
    one.post(&cancelling(json!(1)))
        .send()
        .await
        .expect_status(202);
    // The cancelled request has no response.
    assert!(waiting.await.unwrap().expect_status(202).body.is_empty());
    assert_eq!(gate.abandoned(), ["park"]);
    // Again, with a stream that has begun.
    let call = one.with_progress("report", json!({}));
    let mut stream = one.stream(call).await;
    eventually("the call waits", || gate.entered() == 2).await;
    let primed = stream.next().await.unwrap();
    assert!(primed.message.is_none() && primed.id.is_some());
    assert!(stream.next().await.unwrap().is("notifications/progress"));
    one.post(&cancelling(json!(1)))
        .send()
        .await
        .expect_status(202);
    assert!(stream.next().await.is_none());
    assert_eq!(gate.abandoned(), ["park", "report"]);
    assert!(gate.passed().is_empty());
}

#[actix_web::test]
async fn a_client_that_hangs_up_can_still_cancel_its_call() {
    let (world, gate) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let body = message("tools/call", json!({ "name": "park", "arguments": {} }));
    let (host, bearer) = (
        world.host_line(),
        format!("Authorization: Bearer {}", world.ada()),
    );
    let id = format!("Mcp-Session-Id: {}", session.id());
    let head = [
        &*host,
        &bearer,
        &id,
        "Content-Type: application/json",
        "Accept: */*",
    ];
    let mut connection = world.raw().await;
    connection
        .write(&raw::post("/mcp", &head, body.as_bytes()))
        .await;
    eventually("the call waits", || gate.entered() == 1).await;
    connection.close().await;
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 },
    });
    session.post(&cancel).send().await.expect_status(202);
    eventually("the call is dropped", || gate.abandoned() == ["park"]).await;
}

#[actix_web::test]
async fn a_client_subscribes_to_what_it_may_read() {
    let (world, _) = world().await;
    let [ada, grace] = [world.ada(), world.grace()];
    let [ada, grace] = [
        Session::open(&world, &ada).await,
        Session::open(&world, &grace).await,
    ];
    let subscribe = |session: &Session<'_>, uri: &str| {
        session
            .ask("resources/subscribe", json!({ "uri": uri }))
            .send()
    };
    for uri in ["docs://open", "docs://secret/1", "docs://owned/user_ada"] {
        let reply = subscribe(&ada, uri).await;
        assert_eq!(expect_result(Era::Legacy, "EmptyResult", &reply), json!({}));
    }
    subscribe(&grace, "docs://open").await.expect_status(200);
    // A resource that the caller may not read is answered like one that does not exist.
    let mut errors = Vec::new();
    for uri in [
        "docs://secret/1",
        "docs://owned/user_ada",
        "docs://nothing",
        "x",
    ] {
        let reply = subscribe(&grace, uri).await;
        let mut error = expect_error(Era::Legacy, 200, -32002, &reply)["error"].take();
        assert_eq!(error["data"]["uri"], uri);
        error["data"].take();
        error["message"].take();
        errors.push(error);
    }
    errors.dedup();
    assert_eq!(errors.len(), 1);
    for wrong in [json!({}), json!({ "uri": 7 })] {
        let reply = ada.ask("resources/subscribe", wrong).send().await;
        expect_error(Era::Legacy, 200, -32602, &reply);
    }
    for uri in ["docs://open", "docs://never"] {
        let reply = ada
            .ask("resources/unsubscribe", json!({ "uri": uri }))
            .send()
            .await;
        assert_eq!(expect_result(Era::Legacy, "EmptyResult", &reply), json!({}));
    }
    for number in 2..=256 {
        subscribe(&ada, &format!("docs://secret/{number}"))
            .await
            .expect_status(200);
    }
    subscribe(&ada, "docs://open").await.expect_status(200);
    let reply = subscribe(&ada, "docs://secret/0").await;
    let error = expect_error(Era::Legacy, 200, -32602, &reply);
    assert!(
        error["error"]["message"].as_str().unwrap().contains("256"),
        "{error}"
    );
}

#[actix_web::test]
async fn a_response_is_accepted_only_for_a_request_of_the_server() {
    let (world, _) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    for (id, outcome) in [
        (json!("guessed"), ("result", json!({ "action": "accept" }))),
        (json!(1), ("result", json!({}))),
        (
            json!("guessed"),
            ("error", json!({ "code": -1, "message": "no" })),
        ),
    ] {
        let (member, value) = outcome;
        let body = json!({ "jsonrpc": "2.0", "id": id, member: value });
        let reply = session.post(&body).send().await;
        let error = expect_error(Era::Legacy, 400, -32600, &reply);
        assert!(error.get("id").is_none(), "{error}");
        let modern = session.post(&body).header("mcp-protocol-version", MODERN);
        modern.send().await.expect_rpc_error(400, -32600);
        let stateless = session.post(&body).without("mcp-session-id");
        stateless.send().await.expect_rpc_error(400, -32600);
    }
}

#[actix_web::test]
async fn a_principal_has_at_most_sixteen_sessions_and_a_user_sixty_four() {
    let (world, _) = world().await;
    let ada = world.ada();
    let mut sessions = Vec::new();
    for _ in 0..17 {
        world.clock.advance(Duration::from_millis(1));
        sessions.push(Session::open(&world, &ada).await);
    }
    expect_no_session(&sessions[0].ask("ping", json!({})).send().await);
    sessions[1]
        .ask("ping", json!({}))
        .send()
        .await
        .expect_status(200);
    // Sessions with an open stream do not give way. The client is then served without a session.
    let mut streams = Vec::new();
    for session in &sessions[1..] {
        streams.push(session.stream(session.get()).await);
    }
    let reply = initialize(&world, &ada, LEGACY).send().await;
    assert_eq!(reply.expect_status(200).header("mcp-session-id"), None);
    assert_eq!(reply.result()["capabilities"]["resources"], json!({}));
    drop(streams.pop());
    let freed = async || {
        let reply = initialize(&world, &ada, LEGACY).send().await;
        reply.header("mcp-session-id").is_some()
    };
    let mut tries = 0;
    while !freed().await {
        tries += 1;
        assert!(tries < 1000, "a stream whose client left keeps its session");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Others are not affected.
    Session::open(&world, &world.grace()).await;
}

#[actix_web::test]
async fn a_thousand_initializations_of_a_user_leave_sixty_four_sessions() {
    let (world, _) = world().await;
    let tokens: Vec<_> = (0..10)
        .map(|number| {
            let client = format!("client_{number}");
            world.mint(&TokenRequest::oauth("ada").org("acme").client_id(client))
        })
        .collect();
    let mut opened = Vec::new();
    for number in 0..1000 {
        opened.push(Session::open(&world, &tokens[number % 10]).await);
    }
    let mut alive = 0;
    for session in &opened {
        let status = session.ask("ping", json!({})).send().await.status;
        assert!(matches!(status, 200 | 404));
        alive += usize::from(status == 200);
    }
    assert_eq!(alive, 64);
}

#[actix_web::test]
async fn a_session_belongs_to_the_server_that_opened_it() {
    let (one, _) = world().await;
    let session = Session::open(&one, &one.ada()).await;
    let (other, _) = world().await;
    let foreign = Session::of(&other, &other.ada(), session.id());
    expect_no_session(&foreign.ask("ping", json!({})).send().await);
}

#[actix_web::test]
async fn a_modern_body_does_not_become_a_legacy_request_by_a_session() {
    let (world, _) = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let mut params = json!({ "name": "who_am_i", "arguments": {} });
    params["_meta"] = modern_meta();
    let reply = session.ask("tools/call", params).send().await;
    reply.expect_rpc_error(400, -32020);
}
