//! The export of spans: what a collector gets from a program, and what happens without a working collector.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use clerk_emulator::{Emulator, TokenRequest};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::collector::{Answer, Collector, Exported};
use crate::process::{Process, run_check};
use crate::reply::Reply;
use crate::support::{LEGACY, client, emulator, message, modern_meta};

/// The program `served` with a local Clerk, and its callers.
struct Program {
    process: Process,
    endpoint: String,
    ada: String,
    linus: String,
    _clerk: Emulator,
}

impl Program {
    async fn start(environment: &[(&str, &str)]) -> Self {
        let clerk = emulator().await;
        let process = Process::start_on(&clerk, environment);
        let now = mcp_auth::testing::TestClock::new().unix_seconds();
        let mint = |request: &TokenRequest| clerk.instance().mint(request, now).unwrap();
        Self {
            endpoint: process.fact("endpoint").to_owned(),
            ada: mint(&TokenRequest::oauth("ada").org("acme")),
            linus: mint(&TokenRequest::oauth("linus")),
            process,
            _clerk: clerk,
        }
    }

    async fn post(&self, token: &str, headers: &[(&str, &str)], body: String) -> Reply {
        let mut request = client()
            .post(&self.endpoint)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", LEGACY)
            .body(body);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::read(request.send().await.unwrap()).await
    }

    async fn call(&self, token: &str, tool: &str, arguments: Value) -> Reply {
        let params = json!({ "name": tool, "arguments": arguments });
        self.post(token, &[], message("tools/call", params)).await
    }

    /// Stops the program as an operator does. Returns its log, and the time that the stop took.
    fn stop(mut self) -> (String, Duration) {
        let began = Instant::now();
        self.process.signal("TERM");
        while self.process.ended().is_none() {
            assert!(began.elapsed() < Duration::from_secs(30), "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let took = began.elapsed();
        (self.process.log(), took)
    }
}

/// Variables with which a span is exported only at the end of the program, and the log is off.
const LATE: [(&str, &str); 2] = [("OTEL_BSP_SCHEDULE_DELAY", "600000"), ("RUST_LOG", "off")];
/// Variables with which every span is exported soon.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "20");

#[actix_web::test]
async fn a_stopping_program_exports_its_spans_with_the_names_of_the_conventions() {
    let collector = Collector::start(&[]);
    let url = collector.url();
    let program = Program::start(
        &[
            &LATE[..],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue%20green"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                (
                    "OTEL_RESOURCE_ATTRIBUTES",
                    "deployment.environment.name=test",
                ),
            ],
        ]
        .concat(),
    )
    .await;
    assert!(
        program
            .process
            .printed()
            .contains(&format!("spans     to {url}\n")),
        "{}",
        program.process.printed()
    );
    let ada = program.ada.clone();
    program
        .call(&ada, "sign", json!({ "name": "hunter2" }))
        .await
        .expect_text("hunter2");
    program.call(&ada, "sign", json!({ "name": "bob" })).await;
    program
        .call(&program.linus, "read_documents", json!({}))
        .await;
    program.call(&ada, "hunter2", json!({})).await;
    program
        .call("", "who_am_i", json!({}))
        .await
        .expect_status(401);
    program
        .call("not.a.token", "who_am_i", json!({}))
        .await
        .expect_status(401);
    let initialize = json!({
        "protocolVersion": LEGACY, "capabilities": {},
        "clientInfo": { "name": "tests", "version": "1" },
    });
    program
        .post(&ada, &[], message("initialize", initialize))
        .await
        .expect_status(200);
    let (log, _) = program.stop();
    assert_eq!(log, "");
    let spans = collector.spans(7);
    assert_eq!(spans.len(), 7, "{spans:#?}");
    let heads = collector.heads(1);
    assert!(
        heads[0].starts_with("POST /v1/traces HTTP/1.1"),
        "{heads:?}"
    );
    assert!(heads[0].contains("x-team: blue green\r\n"), "{heads:?}");
    let text = format!("{spans:?}");
    for secret in [
        "hunter2", "ada", "linus", "bob", "acme", "user_", "org_", "Bearer",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    for Exported {
        resource,
        scope,
        span,
        ..
    } in &spans
    {
        assert_eq!(resource["service.name"], "tests");
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(resource["deployment.environment.name"], "test");
        assert_eq!(resource["telemetry.sdk.language"], "rust");
        assert_eq!(*scope, format!("mcp-auth {}", env!("CARGO_PKG_VERSION")));
        assert!(span.end_time_unix_nano > span.start_time_unix_nano);
        assert!(span.events.is_empty() && span.links.is_empty(), "{span:?}");
    }
    let http = [
        ("http.request.method", "POST"),
        ("network.protocol.name", "http"),
        ("network.transport", "tcp"),
        ("url.path", "/mcp"),
        ("url.scheme", "http"),
    ];
    let call = [
        ("mcp.method.name", "tools/call"),
        ("mcp.protocol.version", LEGACY),
    ];
    let of_tool = |tool| {
        [
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", tool),
        ]
    };
    let ok = [("http.response.status_code", "200")];
    let tool_error = [("error.type", "tool_error")];
    for (span, name, is_error, attributes) in [
        (
            &spans[0],
            "tools/call sign",
            false,
            [
                &call[..],
                &of_tool("sign"),
                &ok,
                &[("mcp_auth.outcome", "allowed")],
            ]
            .concat(),
        ),
        (
            &spans[1],
            "tools/call sign",
            true,
            [
                &call[..],
                &of_tool("sign"),
                &ok,
                &tool_error,
                &[("mcp_auth.outcome", "denied")],
            ]
            .concat(),
        ),
        (
            &spans[2],
            "tools/call read_documents",
            true,
            [
                &call[..],
                &of_tool("read_documents"),
                &ok,
                &tool_error,
                &[("mcp_auth.outcome", "denied")],
            ]
            .concat(),
        ),
        (
            &spans[3],
            "tools/call",
            true,
            [
                &call[..],
                &ok,
                &[
                    ("error.type", "-32602"),
                    ("rpc.response.status_code", "-32602"),
                    ("mcp_auth.outcome", "unknown"),
                ],
            ]
            .concat(),
        ),
        (
            &spans[4],
            "tools/call who_am_i",
            false,
            [
                &call[..],
                &of_tool("who_am_i"),
                &[("http.response.status_code", "401")],
            ]
            .concat(),
        ),
        (
            &spans[5],
            "POST /mcp",
            false,
            vec![("http.response.status_code", "401")],
        ),
        (
            &spans[6],
            "initialize",
            false,
            [
                &ok[..],
                &[
                    ("mcp.method.name", "initialize"),
                    ("mcp.protocol.version", LEGACY),
                    ("mcp_auth.client.name", "\"tests\""),
                ],
            ]
            .concat(),
        ),
    ] {
        assert_eq!(span.span.name, name);
        assert_eq!(span.kind(), SpanKind::Server);
        assert_eq!(span.is_error(), is_error, "{name}");
        assert_eq!(span.parent(), "");
        span.expect_attributes(&[&http[..], &attributes].concat());
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER_TRACE: &str = "1bf7651916cd43dd8448eb211c80319c";

fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-b7ad6b7169203331-{flags}")
}

#[actix_web::test]
async fn a_span_is_a_child_in_the_trace_of_its_client() {
    let collector = Collector::start(&[]);
    let url = collector.url();
    let program = Program::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), SOON]).await;
    let (sampled, unsampled) = (traceparent(TRACE, "01"), traceparent(OTHER_TRACE, "00"));
    let other = traceparent(OTHER_TRACE, "01");
    let ping = |meta: Value| message("ping", json!({ "_meta": meta }));
    let in_meta = || ping(json!({ "traceparent": sampled, "tracestate": "rojo=1" }));
    let with_break = || ping(json!({ "traceparent": sampled, "tracestate": "rojo=1\r\n2" }));
    let ada = &program.ada;
    let without_context = "00-zz-01".to_owned();
    for (headers, token, body) in [
        // The header alone, also for a request whose token is refused.
        (vec![("traceparent", &sampled)], ada, ping(json!({}))),
        (
            vec![("traceparent", &sampled)],
            &"junk".to_owned(),
            ping(json!({})),
        ),
        // The message takes precedence, and the header is a link.
        (vec![("traceparent", &other)], ada, in_meta()),
        // The state has a line break, so only the parent is used.
        (vec![], ada, with_break()),
        // The client does not record its trace, so the span is not exported, also if the token is refused.
        (vec![("traceparent", &unsampled)], ada, ping(json!({}))),
        (
            vec![("traceparent", &unsampled)],
            &"junk".to_owned(),
            ping(json!({})),
        ),
        // A malformed context begins a trace.
        (
            vec![("traceparent", &without_context)],
            ada,
            ping(json!({})),
        ),
    ] {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        program.post(token, &headers, body).await;
    }
    let (log, _) = program.stop();
    assert!(!log.contains("spans_lost"), "{log}");
    let spans = collector.spans(5);
    let [header, refused, meta, broken, none] = &spans[..] else {
        panic!("{spans:#?}");
    };
    for span in [header, refused, meta, broken] {
        assert_eq!(
            (span.trace_id().as_str(), span.parent().as_str()),
            (TRACE, "b7ad6b7169203331")
        );
        assert_eq!(span.attribute("traceparent"), None);
    }
    assert_eq!(refused.span.name, "POST /mcp");
    assert_eq!(meta.span.trace_state, "rojo=1");
    assert_eq!(broken.span.trace_state, "");
    assert_eq!(meta.links(), [OTHER_TRACE]);
    assert!(header.span.links.is_empty() && none.span.links.is_empty());
    assert_eq!(none.parent(), "");
    assert!(![TRACE, OTHER_TRACE].contains(&none.trace_id().as_str()));
}

#[actix_web::test]
async fn the_variables_choose_the_sampler_and_the_propagator() {
    for (variable, value, parent, exported) in [
        ("OTEL_PROPAGATORS", "none", Some("01"), true),
        ("OTEL_TRACES_SAMPLER", "always_off", Some("01"), false),
        (
            "OTEL_TRACES_SAMPLER",
            "parentbased_always_off",
            Some("01"),
            true,
        ),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off", None, false),
        ("OTEL_TRACES_SAMPLER", "always_on", Some("00"), true),
        ("OTEL_SDK_DISABLED", "true", None, false),
        ("OTEL_TRACES_EXPORTER", "none", None, false),
    ] {
        let collector = Collector::start(&[]);
        let url = collector.url();
        let program = Program::start(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("OTEL_SERVICE_NAME", "named"),
            (variable, value),
        ])
        .await;
        let parent = parent.map(|flags| traceparent(TRACE, flags));
        let headers: Vec<_> = parent
            .iter()
            .map(|parent| ("traceparent", parent.as_str()))
            .collect();
        program
            .post(&program.ada, &headers, message("ping", json!({})))
            .await
            .expect_status(200);
        program.stop();
        let spans = collector.spans(usize::from(exported));
        assert_eq!(spans.len(), usize::from(exported), "{variable}={value}");
        for span in &spans {
            assert_eq!(span.resource["service.name"], "named");
            let follows = variable != "OTEL_PROPAGATORS";
            assert_eq!(span.trace_id() == TRACE, follows, "{variable}={value}");
        }
    }
}

#[actix_web::test]
async fn a_request_whose_message_alone_says_that_it_is_recorded_is_exported_whole() {
    let collector = Collector::start(&[]);
    let url = collector.url();
    let program = Program::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
    ])
    .await;
    let sign = |meta: Value| {
        let arguments = json!({ "name": "hunter2" });
        message(
            "tools/call",
            json!({ "name": "sign", "arguments": arguments, "_meta": meta }),
        )
    };
    let (recorded, not_recorded) = (traceparent(TRACE, "01"), traceparent(OTHER_TRACE, "00"));
    let ada = program.ada.as_str();
    for (token, header, meta) in [
        (ada, None, json!({})),
        (ada, Some(&not_recorded), json!({})),
        (ada, None, json!({ "traceparent": not_recorded })),
        (ada, Some(&recorded), json!({ "traceparent": not_recorded })),
        (
            ada,
            Some(&not_recorded),
            json!({ "traceparent": recorded, "tracestate": "rojo=1" }),
        ),
        ("", None, json!({ "traceparent": recorded })),
    ] {
        let header = header.map(|header| ("traceparent", header.as_str()));
        program.post(token, header.as_slice(), sign(meta)).await;
    }
    program.stop();
    let spans = collector.spans(2);
    let [allowed, anonymous] = &spans[..] else {
        panic!("{spans:#?}");
    };
    for span in [allowed, anonymous] {
        assert_eq!(span.trace_id(), TRACE);
        assert_eq!(span.parent(), "b7ad6b7169203331");
        assert_eq!(span.span.name, "tools/call sign");
        assert_eq!(span.attribute("http.request.method"), Some("POST"));
        assert_eq!(span.attribute("url.path"), Some("/mcp"));
    }
    assert_eq!(allowed.attribute("mcp_auth.outcome"), Some("allowed"));
    let status = |span: &Exported| {
        let status = span.attribute("http.response.status_code");
        status.map(str::to_owned)
    };
    assert_eq!(status(allowed).as_deref(), Some("200"));
    assert_eq!(status(anonymous).as_deref(), Some("401"));
    assert_eq!(allowed.span.trace_state, "rojo=1");
    assert_eq!(allowed.links(), [OTHER_TRACE]);
}

#[actix_web::test]
async fn a_share_of_the_requests_is_exported() {
    let collector = Collector::start(&[]);
    let url = collector.url();
    let program = Program::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
    ])
    .await;
    for _ in 0..200 {
        let ping = message("ping", json!({}));
        program
            .post(&program.ada, &[], ping)
            .await
            .expect_status(200);
    }
    program.stop();
    let exported = collector.spans(50).len();
    // A fair choice is outside these bounds once in 10^12 runs.
    assert!((50..150).contains(&exported), "{exported}");
}

#[actix_web::test]
async fn nothing_is_exported_without_a_variable() {
    let program = Program::start(&[("OTEL_SERVICE_NAME", "named")]).await;
    assert!(
        !program.process.printed().contains("spans "),
        "{}",
        program.process.printed()
    );
    program
        .call(&program.ada, "who_am_i", json!({}))
        .await
        .expect_text("user_ada");
    let (log, took) = program.stop();
    assert!(!log.contains("span"), "{log}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// The numbers of lost spans, by reason.
async fn lost(metrics: &str) -> BTreeMap<String, u64> {
    let text = client()
        .get(metrics)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("mcp_auth_spans_lost_total{reason=\""));
    lines
        .map(|line| {
            let (reason, number) = line.split_once("\"} ").unwrap();
            (reason.to_owned(), number.parse().unwrap())
        })
        .collect()
}

/// Waits until spans were lost for this reason.
async fn until_lost(metrics: &str, reason: &str, spans: u64) -> BTreeMap<String, u64> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let lost = lost(metrics).await;
        if lost[reason] >= spans {
            return lost;
        }
        assert!(Instant::now() < deadline, "{lost:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn metrics_url(program: &Program) -> String {
    program.process.fact("metrics").to_owned()
}

#[actix_web::test]
async fn a_dead_collector_costs_no_call_and_each_lost_span_is_counted() {
    // The port is free again, so the server cannot connect.
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{dead}");
    let program = Program::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("MCP_METRICS", "127.0.0.1:0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ])
    .await;
    let metrics = metrics_url(&program);
    for _ in 0..20 {
        program
            .call(&program.ada, "who_am_i", json!({}))
            .await
            .expect_text("user_ada");
    }
    let lost = until_lost(&metrics, "export_failed", 20).await;
    assert_eq!(lost.values().sum::<u64>(), 20, "{lost:?}");
    let (log, took) = program.stop();
    assert!(took < Duration::from_secs(8), "{took:?}");
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("spans_lost"))
        .collect();
    // The line at once, and no other line within the minute.
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("spans were not exported"), "{log}");
}

#[actix_web::test]
async fn a_hanging_collector_delays_neither_a_call_nor_the_end_beyond_its_bound() {
    let collector = Collector::start(&[Answer::Never; 1000]);
    let url = collector.url();
    let program = Program::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("MCP_METRICS", "127.0.0.1:0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
    ])
    .await;
    let metrics = metrics_url(&program);
    program.call(&program.ada, "who_am_i", json!({})).await;
    collector.heads(1);
    let began = Instant::now();
    for _ in 0..30 {
        program
            .call(&program.ada, "who_am_i", json!({}))
            .await
            .expect_text("user_ada");
    }
    // The export alone would take ten seconds.
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    let lost = lost(&metrics).await;
    assert_eq!(lost["queue_full"], 31 - 4, "{lost:?}");
    let (log, took) = program.stop();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(
        log.contains("the collector did not take the last spans in time"),
        "{log}"
    );
}

#[actix_web::test]
async fn an_overloaded_collector_gets_the_spans_again_and_a_refusal_is_final() {
    let collector = Collector::start(&[Answer::Status(503), Answer::Status(429)]);
    let url = collector.url();
    let program = Program::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("MCP_METRICS", "127.0.0.1:0"),
        SOON,
    ])
    .await;
    let metrics = metrics_url(&program);
    program.call(&program.ada, "who_am_i", json!({})).await;
    assert_eq!(collector.spans(1).len(), 1);
    assert_eq!(collector.heads(3).len(), 3);
    assert_eq!(lost(&metrics).await.values().sum::<u64>(), 0);
    program.stop();

    for (answer, reason) in [
        (Answer::Status(400), "export_failed"),
        (Answer::Status(307), "export_failed"),
        (Answer::Reject(1), "rejected"),
    ] {
        let collector = Collector::start(&[answer]);
        let url = collector.url();
        let program = Program::start(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("MCP_METRICS", "127.0.0.1:0"),
            SOON,
        ])
        .await;
        let metrics = metrics_url(&program);
        program.call(&program.ada, "who_am_i", json!({})).await;
        let lost = until_lost(&metrics, reason, 1).await;
        assert_eq!(lost.values().sum::<u64>(), 1, "{answer:?} {lost:?}");
        let (log, _) = program.stop();
        assert!(log.contains("fact=\"spans_lost\""), "{answer:?}: {log}");
        assert_eq!(collector.heads(1).len(), 1, "{answer:?}");
    }
}

#[actix_web::test]
async fn a_collector_that_claims_impossible_numbers_ends_no_export_and_no_count() {
    let answers = [
        Answer::Reject(-1),
        Answer::Reject(i64::MAX),
        Answer::Reject(i64::MAX),
        Answer::Status(500),
        Answer::Status(500),
    ];
    let collector = Collector::start(&answers);
    let url = collector.url();
    let program = Program::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("MCP_METRICS", "127.0.0.1:0"),
        SOON,
    ])
    .await;
    let metrics = metrics_url(&program);
    for requests in 1..=answers.len() + 1 {
        program.call(&program.ada, "who_am_i", json!({})).await;
        // Each request has one span.
        collector.heads(requests);
    }
    // The collector does not read the spans of the two requests that fail.
    assert_eq!(collector.spans(4).len(), 4);
    let lost = until_lost(&metrics, "export_failed", 2).await;
    assert_eq!(lost["rejected"], 2, "{lost:?}");
    assert_eq!(lost.values().sum::<u64>(), 4, "{lost:?}");
    program.stop();
}

#[actix_web::test]
async fn no_secret_of_the_collector_is_printed_or_logged_at_any_level() {
    const SECRET: &str = "hunter2";
    // The second collector is dead, so its errors are logged.
    let collector = Collector::start(&[Answer::Status(401)]);
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for address in [collector.address, dead] {
        let url = format!("http://ada:{SECRET}@{address}/{SECRET}?key={SECRET}");
        let program = Program::start(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20hunter2,x-key=hunter2",
            ),
            ("RUST_LOG", "trace"),
            SOON,
        ])
        .await;
        program.call(&program.ada, "who_am_i", json!({})).await;
        let printed = program.process.printed().to_owned();
        assert!(
            printed.contains(&format!("spans     to http://{address}\n")),
            "{printed}"
        );
        let (log, _) = program.stop();
        assert!(log.contains("spans were not exported"), "{log}");
        for text in [&printed, &log] {
            let found: Vec<_> = text.lines().filter(|line| line.contains(SECRET)).collect();
            assert!(found.is_empty(), "{found:#?}");
        }
    }
    let heads = collector.heads(1);
    assert!(heads[0].contains("x-key: hunter2\r\n"), "{heads:?}");
}

#[test]
fn a_check_finds_the_variables_that_the_export_does_not_honour() {
    let check = |variables: &[(&str, &str)]| {
        let mut environment = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            ("MCP_AUTH_ACCEPT", "development-instance"),
        ];
        environment.extend(variables);
        run_check(&environment)
    };
    let (_, printed, _) = check(&[("OTEL_METRICS_EXPORTER", "otlp")]);
    assert!(!printed.contains("[span"), "{printed}");
    let (_, printed, _) = check(&[
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/hunter2.pem"),
        ("OTEL_TRACES_SAMPLER", "hunter2"),
    ]);
    for what in [
        "the export of spans does not read OTEL_EXPORTER_OTLP_CERTIFICATE [span-setting-ignored]",
        "OTEL_TRACES_SAMPLER names a sampler that the server does not have",
    ] {
        assert!(printed.contains(what), "{printed}");
    }
    assert!(!printed.contains("hunter2"), "{printed}");
    let (status, printed, _) = check(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert_eq!(status, 1);
    assert!(printed.contains("[spans-not-exported]"), "{printed}");
}

#[actix_web::test]
async fn an_application_exports_the_spans_of_its_own_functions_as_children() {
    let collector = Collector::start(&[]);
    let url = collector.url();
    let clerk = emulator().await;
    let process = Process::start_program_on(
        env!("CARGO_BIN_EXE_traced"),
        &clerk,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
        ],
        "tools     work",
    );
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let ada = clerk
        .instance()
        .mint(&TokenRequest::oauth("ada"), now)
        .unwrap();
    let program = Program {
        endpoint: process.fact("endpoint").to_owned(),
        linus: String::new(),
        ada,
        process,
        _clerk: clerk,
    };
    let mut meta = modern_meta();
    meta["traceparent"] = traceparent(TRACE, "01").into();
    let params = json!({ "name": "work", "arguments": { "secret": "hunter2" }, "_meta": meta });
    let headers = [
        ("mcp-protocol-version", crate::support::MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "work"),
    ];
    let mut request = client().post(&program.endpoint).bearer_auth(&program.ada);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(message("tools/call", params));
    Reply::read(request.send().await.unwrap())
        .await
        .expect_text("done");
    program.stop();
    let spans = collector.spans(2);
    assert_eq!(spans.len(), 2, "{spans:#?}");
    let named = |name: &str| spans.iter().find(|span| span.span.name == name).unwrap();
    let (request, step) = (named("tools/call work"), named("step"));
    assert_eq!(request.trace_id(), TRACE);
    assert_eq!(request.parent(), "b7ad6b7169203331");
    assert_eq!(step.trace_id(), TRACE);
    assert_eq!(step.parent(), request.id());
    // The application exports its own events too, but the server's log lines are not exported.
    assert_eq!(step.span.events.len(), 1, "{step:#?}");
    assert!(request.span.events.is_empty(), "{request:#?}");
    assert!(!format!("{spans:?}").contains("hunter2"), "{spans:?}");
}
