//! The requests of the script on the development page: tokens of the local Clerk, explanations, audit records and log
//! lines. Only this script gets an answer.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use actix_web::{App, HttpResponse, HttpServer, web};
use reqwest::Method;
use serde_json::{Value, json};

use crate::process::Process;
use crate::raw::{self, Raw};
use crate::reply::Reply;
use crate::support::{
    MODERN, ORGANIZATION_REQUIRED, PERMISSION_DENIED, Serving, World, client, message, modern_meta,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[actix_web::test]
async fn as_ada_a_call_succeeds_as_grace_it_is_denied_and_linus_has_no_organization() {
    let server = Explored::start().await;
    let delete = json!({ "document_id": "d1" });
    let ada = server.token(json!({ "user": "ada", "org": "acme" })).await;
    let called = server.call(&ada, "delete_document", &delete).await;
    called.expect_text("Document d1 of org_acme deleted");
    for (wish, reason) in [
        (json!({ "user": "grace", "org": "acme" }), PERMISSION_DENIED),
        (json!({ "user": "linus" }), ORGANIZATION_REQUIRED),
    ] {
        let token = server.token(wish).await;
        let denied = server.call(&token, "delete_document", &delete).await;
        expect_denied(&denied, reason);
        let asked = json!({ "name": "delete_document" });
        let why = server.ask("explain").bearer(&token).send(&asked).await;
        assert_eq!(why.status, 200);
        assert_eq!(why.json()["decision"], "denied");
        assert_eq!(why.json()["reason"], reason);
        let missing = why.json()["requirements"].as_array().unwrap().clone();
        assert!(missing.iter().any(|one| one["met"] == false), "{missing:?}");
    }
}

#[actix_web::test]
async fn a_token_of_each_kind_is_accepted_and_valid_for_a_day() {
    use mcp_auth::{ApiKeyScopes, AuthorizedParties};
    let server = Explored::with(|builder| {
        builder
            .session_tokens(AuthorizedParties::only(["https://app.example.com"]))
            .api_keys(ApiKeyScopes::all_of(["documents"]))
            .m2m_tokens()
    })
    .await;
    for (wish, subject) in [
        (json!({ "user": "ada", "kind": "oauth" }), "user_ada"),
        (json!({ "user": "ada", "kind": "session" }), "user_ada"),
        (json!({ "user": "ada", "kind": "api_key" }), "user_ada"),
        (
            json!({ "machine": "billing", "kind": "m2m" }),
            "mch_billing",
        ),
    ] {
        let reply = server.ask("token").send(&wish).await;
        assert_eq!(reply.json()["expires_in"], 86_400, "{wish}");
        let token = reply.json()["token"].as_str().unwrap().to_owned();
        let who = server.call(&token, "who_am_i", &json!({})).await;
        who.expect_text(subject);
    }
    let page = server.page().await;
    assert_eq!(page["kinds"], json!(["oauth", "session", "m2m", "api_key"]));
    assert_eq!(page["machines"], json!(["billing", "mcp"]));
}

#[actix_web::test]
async fn a_token_that_the_local_clerk_refuses_is_422_with_the_reason() {
    let server = Explored::start().await;
    for (wish, part) in [
        (
            json!({ "user": "linus", "org": "acme" }),
            "`linus` is not a member of `acme`",
        ),
        (json!({ "user": "nobody" }), "there is no user `nobody`"),
        (json!({}), "a token of kind `oauth` needs `user`"),
        (
            json!({ "user": "ada", "kind": "x" }),
            "there is no kind of token `x`",
        ),
        (
            json!({ "user": "ada", "kind": "session", "scopes": "a" }),
            "`scopes` does not apply to a token of kind `session`",
        ),
    ] {
        let reply = server.ask("token").send(&with_kind(wish)).await;
        assert_eq!(reply.status, 422, "{reply:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(part), "{error}");
    }
    for body in [
        json!({ "user": 7, "kind": "oauth" }),
        json!({ "who": "ada" }),
    ] {
        assert_eq!(server.ask("token").send(&body).await.status, 400, "{body}");
    }
}

#[actix_web::test]
async fn the_scopes_are_the_usual_scopes_of_a_client_or_the_chosen_scopes() {
    let server = Explored::with(|builder| builder.require_scope("books")).await;
    let usual = server.token(json!({ "user": "ada" })).await;
    let who = server.call(&usual, "who_am_i", &json!({})).await;
    who.expect_text("user_ada");
    let other = server.token(json!({ "user": "ada", "scopes": "profile email" }));
    let refused = server.call(&other.await, "who_am_i", &json!({})).await;
    assert_eq!(refused.status, 403);
}

#[actix_web::test]
async fn an_explanation_is_about_the_caller_and_unknown_names_are_404() {
    let server = Explored::start().await;
    let name = json!({ "name": "delete_document" });
    let without = server.ask("explain").send(&name).await;
    assert_eq!(without.json()["decision"], "not_signed_in");
    let unknown = server.ask("explain").send(&json!({ "name": "x" })).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(
        unknown.json(),
        json!({ "error": "there is no tool, prompt or resource `x`" })
    );
}

#[actix_web::test]
async fn the_records_of_a_request_are_found_by_its_trace_id() {
    let server = Explored::start().await;
    let token = server
        .token(json!({ "user": "grace", "org": "acme" }))
        .await;
    let denied = server.traced_call(&token, "delete_document", TRACE).await;
    expect_denied(&denied, PERMISSION_DENIED);
    let other = server
        .traced_call(&token, "who_am_i", &"1".repeat(32))
        .await;
    other.expect_text("user_grace");
    let found = server.records(TRACE).await;
    let records = found["audit"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{found}");
    assert_eq!(records[0]["outcome"], "denied");
    assert_eq!(records[0]["subject"], "user_grace");
    assert_eq!(records[0]["primitive"]["name"], "delete_document");
    // `start` sets up no log.
    assert_eq!(found["log"], json!([]));
    assert!(found["log_note"].as_str().unwrap().contains("log"));
    assert!(!found.to_string().contains(&token));
    let nothing = server.records(&"2".repeat(32)).await;
    assert_eq!(nothing["audit"], json!([]));
    for wrong in ["", "x", &TRACE.to_uppercase(), &TRACE[1..]] {
        let asked = json!({ "trace_id": wrong });
        assert_eq!(server.ask("records").send(&asked).await.status, 400);
    }
}

#[actix_web::test]
async fn the_log_lines_of_a_request_are_the_lines_that_the_server_wrote() {
    let process = Process::start(&[]);
    let server = Explored::at(process.fact("endpoint"));
    let token = server.token(json!({ "user": "linus" })).await;
    let denied = server.traced_call(&token, "read_documents", TRACE).await;
    expect_denied(&denied, ORGANIZATION_REQUIRED);
    let found = server.records(TRACE).await;
    assert_eq!(found["audit"][0]["outcome"], "denied");
    let lines = found["log"].as_array().unwrap();
    assert_eq!(lines.len(), 1, "{found}");
    let line = lines[0].as_str().unwrap();
    assert!(line.starts_with("INFO mcp_auth: denied"), "{line}");
    assert!(line.contains(r#"tool="read_documents""#), "{line}");
    assert!(found.get("log_note").is_none());
    // At `info`, the line of an allowed call is not in the log.
    let allowed = server
        .traced_call(&token, "who_am_i", &"1".repeat(32))
        .await;
    allowed.expect_text("user_linus");
    let found = server.records(&"1".repeat(32)).await;
    assert_eq!(found["audit"][0]["outcome"], "allowed");
    assert_eq!(found["log"], json!([]));
    let log = process.kill();
    assert_eq!(log.matches("denied").count(), 1, "{log}");
    for secret in [&*token, TRACE, "explored"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[actix_web::test]
async fn the_log_at_debug_has_a_line_for_each_call_and_none_twice() {
    let process = Process::start(&[("RUST_LOG", "mcp_auth=debug")]);
    let server = Explored::at(process.fact("endpoint"));
    let token = server.token(json!({ "user": "linus" })).await;
    let allowed = server.traced_call(&token, "who_am_i", TRACE).await;
    allowed.expect_text("user_linus");
    let found = server.records(TRACE).await;
    let lines = found["log"].as_array().unwrap();
    let calls = lines
        .iter()
        .filter(|line| line.as_str().unwrap().contains("who_am_i"));
    assert_eq!(calls.count(), 1, "{found}");
    let log = process.kill();
    assert_eq!(log.matches("who_am_i").count(), 1, "{log}");
    assert!(!log.contains(&token) && !found.to_string().contains(&token));
}

#[actix_web::test]
async fn no_other_page_host_or_proxy_gets_an_answer() {
    let server = Explored::start().await;
    let port = server.address.port();
    let at = |name: &str| format!("{name}:{port}");
    for (task, body) in TASKS {
        let ask = || server.ask(task).text(body);
        for good in [
            ask(),
            ask()
                .header("host", &at("localhost"))
                .header("origin", &format!("http://localhost:{port}")),
            ask().header("content-type", "application/json; charset=utf-8"),
        ] {
            assert_eq!(good.sent().await.status, 200, "{task} {good:?}");
        }
        let wrong = [
            ask().without("origin"),
            ask().header("origin", "https://evil.example"),
            ask().header("origin", "null"),
            ask().header("origin", "http://127.0.0.1"),
            ask().header("origin", &format!("http://127.0.0.1:{}", port ^ 1)),
            ask().header("origin", &format!("https://127.0.0.1:{port}")),
            ask().header("origin", &format!("http://localhost:{port}")),
            ask().and_header("origin", &format!("http://127.0.0.1:{port}")),
            ask().without("sec-fetch-site"),
            ask().header("sec-fetch-site", "none"),
            ask().header("sec-fetch-site", "same-site"),
            ask().header("sec-fetch-site", "cross-site"),
            ask().and_header("sec-fetch-site", "cross-site"),
            ask().without("content-type"),
            ask().header("content-type", "text/plain"),
            ask().header("content-type", "application/x-www-form-urlencoded"),
            ask().header("content-type", "multipart/form-data"),
            ask().header("forwarded", "for=192.0.2.1"),
            ask().header("x-forwarded-for", "192.0.2.1"),
            ask().header("x-forwarded-host", "127.0.0.1"),
            ask().header("x-real-ip", "192.0.2.1"),
            ask().header("via", "1.1 proxy"),
            ask().header("upgrade", "websocket"),
            // A name that was rebound to this machine. Its page has this name as its origin.
            ask().header("host", &at("evil.example")),
            ask()
                .header("host", &at("evil.example"))
                .header("origin", &format!("http://evil.example:{port}")),
            ask().without("host"),
            ask().and_header("host", &at("127.0.0.1")),
            ask().method("GET"),
            ask().method("PUT"),
            ask().method("OPTIONS"),
        ];
        for ask in wrong {
            let reply = ask.sent().await;
            let plain = Ask {
                path: "/mcp/explorer/nothing".to_owned(),
                ..ask.clone()
            };
            let plain = plain.sent().await;
            assert_eq!(told(&reply), told(&plain), "{task} {ask:?}");
            assert_ne!(reply.status, 200, "{task} {ask:?}");
        }
    }
}

#[actix_web::test]
async fn a_body_of_more_than_8_kib_gets_no_answer() {
    let server = Explored::start().await;
    for (task, body) in TASKS {
        let long = format!("{body}{}", " ".repeat(8 * 1024 - body.len()));
        assert_eq!(
            server.ask(task).text(&long).sent().await.status,
            200,
            "{task}"
        );
        let too_long = format!("{long} ");
        assert_eq!(
            server.ask(task).text(&too_long).sent().await.status,
            404,
            "{task}"
        );
    }
}

#[actix_web::test]
async fn the_answers_are_for_no_other_origin_and_for_no_cache() {
    let server = Explored::start().await;
    for (task, body) in TASKS {
        let reply = server.ask(task).text(body).sent().await;
        for (name, value) in [
            ("cache-control", Some("no-store")),
            ("content-type", Some("application/json")),
            ("cross-origin-resource-policy", Some("same-origin")),
            ("x-content-type-options", Some("nosniff")),
            ("access-control-allow-origin", None),
            ("set-cookie", None),
        ] {
            assert_eq!(reply.header(name), value, "{task} {name}");
        }
    }
}

#[actix_web::test]
async fn without_a_local_clerk_in_the_process_there_are_explanations_and_no_tokens() {
    let world = World::new().await;
    let server = Explored::at(&world.url());
    let page = server.page().await;
    assert_eq!(
        (&page["local"], &page["people"]),
        (&json!(false), &json!([]))
    );
    let (task, body) = TASKS[0];
    assert_eq!(task, "token");
    assert_eq!(server.ask(task).text(body).sent().await.status, 404);
    let name = json!({ "name": "delete_document" });
    let why = server
        .ask("explain")
        .bearer(&world.grace())
        .send(&name)
        .await;
    assert_eq!(why.json()["reason"], PERMISSION_DENIED);
}

#[actix_web::test]
async fn a_name_of_a_person_cannot_end_the_data_of_the_script() {
    let people = r#"
        [users.mallory]
        name = "</script><img src=x>"
    "#;
    let people = mcp_auth::Directory::parse(people).unwrap();
    let server = Explored::with(|builder| builder.emulator_directory(people)).await;
    let page = server.page().await;
    assert_eq!(page["people"][0]["name"], "</script><img src=x>");
}

#[actix_web::test]
async fn off_loopback_and_under_a_name_of_the_configuration_there_is_no_explorer() {
    let public = World::with(|builder| builder.url("https://mcp.example.com")).await;
    let listed = World::with(|builder| {
        builder
            .allowed_hosts(["proxy.internal", "127.0.0.1"])
            .allowed_origins(["http://proxy.internal"])
    })
    .await;
    for (world, host, origin) in [
        (&public, "mcp.example.com", "https://mcp.example.com"),
        (&listed, "proxy.internal", "http://proxy.internal"),
    ] {
        let server = Explored::at(&world.url());
        for (task, body) in TASKS {
            let ask = server.ask(task).text(body);
            let ask = ask.header("host", host).header("origin", origin);
            let reply = ask.sent().await;
            assert_eq!((reply.status, reply.body.len()), (404, 0), "{task} {host}");
        }
        let found = server.ask("records").text(TASKS[2].1).sent().await;
        assert_eq!(found.status == 200, host == "proxy.internal");
    }
}

#[actix_web::test]
async fn a_mounted_server_has_an_explorer_and_other_requests_belong_to_the_application() {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = mcp_auth::server!()
                .tools_of("protocol::explorer::tools")
                .emulator()
                .port(address.port())
                .url(format!("http://{address}/api/mcp"));
            let server = server.build().await.unwrap();
            let http = HttpServer::new(move || {
                App::new()
                    .service(web::scope("/api").configure(server.routes()))
                    .default_service(web::to(|| async { HttpResponse::ImATeapot().finish() }))
            });
            let http = http.workers(1).listen(listener).unwrap().run();
            sender.send((address, http.handle())).unwrap();
            http.await.unwrap();
        });
    });
    let (address, handle) = web::block(move || receiver.recv().unwrap()).await.unwrap();
    let server = Explored::at(&format!("http://{address}/api/mcp"));
    assert_eq!(server.page().await["explorer"], "/api/mcp/explorer");
    for (task, body) in TASKS {
        let ask = server.ask(task).text(body);
        assert_eq!(ask.sent().await.status, 200, "{task}");
        let foreign = ask.header("origin", "http://localhost:1").sent().await;
        assert_eq!(foreign.status, 418, "{task}");
    }
    handle.stop(false).await;
}

mod tools {
    use mcp_auth::{Caller, Org, mcp_tool};

    /// Tell who is calling.
    #[mcp_tool(read_only)]
    async fn who_am_i(caller: &Caller) -> String {
        caller.subject().to_owned()
    }

    /// Delete a document.
    #[mcp_tool(permission = "org:documents:delete", require_org, destructive)]
    async fn delete_document(document_id: String, org: &Org) -> String {
        format!("Document {document_id} of {} deleted", org.id())
    }
}

/// Each request of the script, with a body that is answered with 200.
const TASKS: [(&str, &str); 3] = [
    ("token", r#"{"user":"ada","kind":"oauth"}"#),
    ("explain", r#"{"name":"who_am_i"}"#),
    (
        "records",
        r#"{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"#,
    ),
];

/// A server with an explorer.
struct Explored {
    address: SocketAddr,
    endpoint: String,
    _serving: Option<Serving>,
}

impl Explored {
    async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    /// A server with a local Clerk in its process.
    async fn with(
        settings: impl FnOnce(mcp_auth::ServerBuilder) -> mcp_auth::ServerBuilder,
    ) -> Self {
        let builder = mcp_auth::server!()
            .tools_of("protocol::explorer::tools")
            .emulator();
        let serving = Serving::start(settings(builder)).await;
        Self {
            address: serving.address,
            endpoint: "/mcp".to_owned(),
            _serving: Some(serving),
        }
    }

    fn at(endpoint: &str) -> Self {
        let (address, path) = endpoint
            .strip_prefix("http://")
            .unwrap()
            .split_once('/')
            .unwrap();
        Self {
            address: address.parse().unwrap(),
            endpoint: format!("/{path}"),
            _serving: None,
        }
    }

    /// A request as the script of the page sends it.
    fn ask(&self, task: &str) -> Ask {
        let address = self.address;
        let headers = [
            ("host", address.to_string()),
            ("origin", format!("http://{address}")),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        Ask {
            address,
            method: "POST".to_owned(),
            path: format!("{}/explorer/{task}", self.endpoint),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
            body: String::new(),
        }
    }

    async fn token(&self, wish: Value) -> String {
        let reply = self.ask("token").send(&with_kind(wish)).await;
        assert_eq!(reply.status, 200, "{:?}", String::from_utf8(reply.body));
        reply.json()["token"].as_str().unwrap().to_owned()
    }

    async fn records(&self, trace_id: &str) -> Value {
        let reply = self
            .ask("records")
            .send(&json!({ "trace_id": trace_id }))
            .await;
        assert_eq!(reply.status, 200);
        reply.json()
    }

    async fn call(&self, token: &str, tool: &str, arguments: &Value) -> Reply {
        self.sent_call(token, tool, arguments, None).await
    }

    /// A call with a W3C trace context.
    async fn traced_call(&self, token: &str, tool: &str, trace_id: &str) -> Reply {
        let arguments = match tool {
            "delete_document" => json!({ "document_id": "d1" }),
            _ => json!({}),
        };
        self.sent_call(token, tool, &arguments, Some(trace_id))
            .await
    }

    /// Sends a call as the script of the page does.
    async fn sent_call(
        &self,
        token: &str,
        tool: &str,
        arguments: &Value,
        trace_id: Option<&str>,
    ) -> Reply {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": modern_meta() });
        let mut request = client()
            .post(format!("http://{}{}", self.address, self.endpoint))
            .header("origin", format!("http://{}", self.address))
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .bearer_auth(token)
            .body(message("tools/call", params));
        if let Some(trace_id) = trace_id {
            request = request.header("traceparent", format!("00-{trace_id}-00f067aa0ba902b7-01"));
        }
        Reply::read(request.send().await.unwrap()).await
    }

    /// The data of the script on the page.
    async fn page(&self) -> Value {
        let url = format!("http://{}{}", self.address, self.endpoint);
        let request = client()
            .request(Method::GET, url)
            .header("accept", "text/html");
        let page = request.send().await.unwrap().text().await.unwrap();
        let (_, data) = page
            .split_once(r#"<script type="application/json" id="explorer">"#)
            .expect(&page);
        let (data, _) = data.split_once("</script>").unwrap();
        serde_json::from_str(data).unwrap()
    }
}

/// A request that is written by hand, because clients do not let a program choose every header.
#[derive(Clone, Debug)]
struct Ask {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Ask {
    fn header(self, name: &str, value: &str) -> Self {
        self.without(name).and_header(name, value)
    }

    fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    fn text(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    async fn send(self, body: &Value) -> Reply {
        self.text(&body.to_string()).sent().await
    }

    async fn sent(&self) -> Reply {
        let lines = self.headers.iter();
        let lines: Vec<_> = lines
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let request = raw::request(&self.method, &self.path, &lines, self.body.as_bytes());
        let mut connection = Raw::connect(self.address).await;
        connection.write(&request).await;
        connection.reply().await
    }
}

/// Adds the default kind of token.
fn with_kind(mut wish: Value) -> Value {
    let kind = wish["kind"].as_str().unwrap_or("oauth").to_owned();
    wish["kind"] = json!(kind);
    wish
}

#[track_caller]
fn expect_denied(reply: &Reply, text: &str) {
    assert_eq!(reply.text(), text);
    assert_eq!(reply.result()["isError"], true);
}

/// The parts of a response that a client sees: the status, the headers and the body.
type Told = (u16, Vec<(String, Vec<u8>)>, Vec<u8>);

fn told(reply: &Reply) -> Told {
    let headers = reply.headers.iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    (reply.status, headers.collect(), reply.body.clone())
}
