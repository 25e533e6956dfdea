use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::server::ServerBuilder;
use crate::testing::TestServer;

/// Keep a secret.
#[mcp_auth_macros::mcp_tool(crate = crate, permission = "org:documents:delete")]
async fn keep(secret: String) -> String {
    secret
}

/// A page.
#[mcp_auth_macros::mcp_resource("wiki://pages/{name}", crate = crate)]
async fn page(name: String) -> String {
    name
}

/// A place for log lines.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns a line for each span of the requests that `work` sends, with the fields of the span.
fn spans(filter: &str, work: impl AsyncFnOnce(&TestServer)) -> Vec<String> {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        actix_web::rt::System::new().block_on(async {
            let builder = ServerBuilder::of_package("mcp-auth", "0").tools_of(module_path!());
            work(&TestServer::of(builder)).await;
        });
    });
    let bytes = written.0.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_span_has_the_names_of_opentelemetry_and_neither_arguments_nor_callers() {
    let lines = spans("mcp_auth::spans=trace", async |server| {
        let ada = server.user("ada").org("acme");
        let secret = json!({ "secret": "hunter2" });
        let keeper = ada.clone().permission("org:documents:delete");
        keeper.call("keep", secret.clone()).await.expect_ok();
        let bob = server.user("bob").org("acme");
        bob.call("keep", secret.clone())
            .await
            .expect_missing("permission", &["org:documents:delete"]);
        ada.read("wiki://pages/hunter2").await;
        ada.call("hunter2", secret.clone()).await;
        server
            .anonymous()
            .call("keep", secret)
            .await
            .expect_unauthorized();
    });
    let [allowed, denied, read, unknown, anonymous] = &lines[..] else {
        panic!("{lines:#?}");
    };
    for line in &lines {
        for part in [
            r#"otel.kind="server""#,
            r#"http.request.method="POST""#,
            r#"url.path="/mcp""#,
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        for part in ["hunter2", "ada", "bob", "acme", "user_", "org_", "Bearer"] {
            assert!(!line.contains(part), "{part} in {line}");
        }
    }
    for (line, parts) in [
        (
            allowed,
            &[
                r#"mcp.method.name="tools/call""#,
                r#"gen_ai.tool.name="keep""#,
                r#"gen_ai.operation.name="execute_tool""#,
                "otel.name=tools/call keep",
                "http.response.status_code=200",
                r#"mcp_auth.outcome="allowed""#,
            ][..],
        ),
        (
            denied,
            &[
                r#"mcp_auth.outcome="denied""#,
                r#"error.type="tool_error""#,
                r#"otel.status_code="ERROR""#,
            ],
        ),
        (
            read,
            &[
                r#"mcp.resource.uri="wiki://pages/{name}""#,
                "otel.name=resources/read",
            ],
        ),
        (
            unknown,
            &[
                "error.type=-32602",
                "rpc.response.status_code=-32602",
                r#"otel.status_code="ERROR""#,
                r#"mcp_auth.outcome="unknown""#,
            ],
        ),
        (
            anonymous,
            &["http.response.status_code=401", r#"otel.name="POST /mcp""#],
        ),
    ] {
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    // A sign-in begins with a 401, which is no error of the server.
    for line in [allowed, anonymous] {
        assert!(!line.contains("error.type"), "{line}");
    }
}

#[test]
fn a_request_without_a_message_has_the_name_of_its_http_request() {
    let lines = spans("mcp_auth::spans=trace", async |server| {
        for (method, body) in [("GET", ""), ("BREW", ""), ("POST", "not JSON")] {
            let token = server.user("ada").token().unwrap();
            server
                .request(method, "/mcp")
                .header("authorization", &format!("Bearer {token}"))
                .header("content-type", "application/json")
                .header(
                    "traceparent",
                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                )
                .body(body.to_owned())
                .send()
                .await;
        }
    });
    let [get, brew, malformed] = &lines[..] else {
        panic!("{lines:#?}");
    };
    assert!(get.contains(r#"otel.name="GET /mcp""#), "{get}");
    assert!(brew.contains(r#"otel.name="HTTP /mcp""#), "{brew}");
    assert!(brew.contains(r#"http.request.method="_OTHER""#), "{brew}");
    assert!(
        malformed.contains(r#"otel.name="POST /mcp""#),
        "{malformed}"
    );
    assert!(malformed.contains("error.type=-32700"), "{malformed}");
    for line in &lines {
        assert!(
            line.contains("traceparent=\"00-0af7651916cd43dd8448eb211c80319c"),
            "{line}"
        );
        assert!(!line.contains("BREW"), "{line}");
    }
}

#[test]
fn the_context_of_the_client_is_taken_from_meta_before_the_header() {
    const META: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const HEADER: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00";
    let lines = spans("mcp_auth::spans=trace", async |server| {
        let token = server.user("ada").token().unwrap();
        for (meta, header) in [
            (json!({ "traceparent": META }), HEADER),
            (json!({}), HEADER),
            (json!({ "traceparent": "evil\nline" }), "evil"),
        ] {
            let params = json!({
                "_meta": meta, "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "odd\nclient", "version": "1" },
            });
            let body =
                json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
            server
                .request("POST", "/mcp")
                .header("authorization", &format!("Bearer {token}"))
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
                .header("traceparent", header)
                .body(body.to_string())
                .send()
                .await
                .expect_status(200);
        }
    });
    let [meta, header, neither] = &lines[..] else {
        panic!("{lines:#?}");
    };
    assert!(meta.contains(META) && !meta.contains(HEADER), "{meta}");
    assert!(header.contains(HEADER), "{header}");
    assert!(!neither.contains("evil"), "{neither}");
    for line in &lines {
        assert!(
            line.contains(r#"mcp_auth.client.name="odd\nclient""#),
            "{line}"
        );
        assert!(
            line.contains(r#"mcp.protocol.version="2025-11-25""#),
            "{line}"
        );
    }
}

#[test]
fn the_usual_filters_leave_the_span_out() {
    for filter in ["info", "mcp_auth=debug", "debug"] {
        let lines = spans(filter, async |server| {
            server.user("ada").read("wiki://pages/a").await;
        });
        assert!(
            !lines.iter().any(|line| line.contains("otel.kind")),
            "{lines:#?}"
        );
    }
}
