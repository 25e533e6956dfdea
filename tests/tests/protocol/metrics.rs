//! The metrics of a server, read over HTTP as Prometheus reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clerk_emulator::{Emulator, Fault, TokenRequest};
use mcp_auth::{AudiencePolicy, ServerBuilder};
use reqwest::Method;
use serde_json::json;

use crate::parked::Gate;
use crate::process::{Process, refusal};
use crate::raw::Raw;
use crate::support::{ERAS, Era, LEGACY, World, client, emulator, eventually, message};

mod tools {
    use std::time::Duration;

    use mcp_auth::{State, ToolError, mcp_prompt, mcp_resource, mcp_tool};
    use tokio::time::sleep;

    use crate::parked::Gate;

    /// Greet anybody.
    #[mcp_tool(public)]
    async fn greet(name: String) -> String {
        format!("Hello {name}")
    }

    /// Delete.
    #[mcp_tool(permission = "org:documents:delete")]
    async fn delete() {}

    /// Rename the organization.
    #[mcp_tool(role = "admin")]
    async fn rename() {}

    /// Upload.
    #[mcp_tool(scope = "files:write")]
    async fn upload() {}

    /// Fail.
    #[mcp_tool]
    async fn fail() -> Result<String, ToolError> {
        Err(ToolError::new("No luck"))
    }

    /// Panic.
    #[mcp_tool]
    async fn explode() -> String {
        panic!("boom")
    }

    /// Take too long.
    #[mcp_tool(timeout = 1)]
    async fn linger() {
        sleep(Duration::from_secs(60)).await;
    }

    /// Be called twice a minute.
    #[mcp_tool(rate = "2/min per user")]
    async fn rarely() {}

    /// Wait at a gate, alone.
    #[mcp_tool(concurrency = 1)]
    async fn wait(gate: &State<Gate>) {
        gate.pass("wait").await;
    }

    /// The front page.
    #[mcp_resource("wiki://pages/{name}", permission = "org:documents:read")]
    async fn page(name: String) -> String {
        name
    }

    /// A greeting.
    #[mcp_prompt]
    async fn greeting(name: String) -> String {
        name
    }
}

/// The values of a scrape, by series.
#[derive(Debug)]
struct Scrape {
    text: String,
    series: BTreeMap<String, f64>,
}

impl Scrape {
    async fn of(world: &World) -> Self {
        Self::at(world.server.metrics.unwrap()).await
    }

    async fn at(address: SocketAddr) -> Self {
        let url = format!("http://{address}/metrics");
        let response = client().get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self::read(response.text().await.unwrap())
    }

    fn read(text: String) -> Self {
        let mut series = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let twice = series.insert(name.to_owned(), value.parse().unwrap());
            assert!(twice.is_none(), "{name} twice in {text}");
        }
        Self { text, series }
    }

    #[track_caller]
    fn expect(&self, series: &str, value: f64) {
        let found = self.series.get(series).copied();
        assert_eq!(found, Some(value), "{series} in {}", self.text);
    }

    /// Expects these calls of a tool, and no others.
    #[track_caller]
    fn expect_calls(&self, tool: &str, outcomes: &[(&str, usize)]) {
        let prefix = format!("mcp_auth_calls_total{{kind=\"tool\",name=\"{tool}\",outcome=\"");
        let of_tool = self.series.iter().filter_map(|(name, value)| {
            let outcome = name.strip_prefix(&prefix)?.strip_suffix("\"}")?;
            (*value > 0.0).then_some((outcome, *value as usize))
        });
        let found: BTreeSet<_> = of_tool.collect();
        assert_eq!(found, outcomes.iter().copied().collect(), "{tool}");
    }

    /// The sum of all series of a metric.
    fn sum(&self, metric: &str) -> f64 {
        let prefix = format!("{metric}{{");
        let of_metric = self.series.iter();
        let of_metric = of_metric.filter(|(name, _)| name.starts_with(&prefix));
        of_metric.map(|(_, value)| value).sum()
    }

    /// The names of all metrics, as in the lines `# TYPE`.
    fn names(&self) -> BTreeSet<String> {
        let types = self.text.lines();
        let types = types.filter_map(|line| line.strip_prefix("# TYPE "));
        types
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    }
}

/// A server of the tools above, with metrics.
async fn world(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (World, Gate) {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::metrics::tools", |builder| {
        settings(builder.state(state).metrics("127.0.0.1:0"))
    })
    .await;
    (world, gate)
}

#[actix_web::test]
async fn every_request_of_a_mixed_load_is_counted_once() {
    let (world, gate) = world(|builder| builder).await;
    let (ada, linus) = (world.ada(), world.linus());
    let greet = || json!({ "name": "Ada" });
    for era in ERAS {
        let call = |tool: &str, arguments| world.call(era, tool, arguments);
        for _ in 0..3 {
            call("greet", greet()).send().await.expect_status(200);
            call("delete", json!({}))
                .bearer(&ada)
                .send()
                .await
                .expect_status(200);
        }
        for (tool, arguments, token) in [
            ("delete", json!({}), &linus),
            ("rename", json!({}), &linus),
            ("greet", json!({ "name": 7 }), &ada),
            ("fail", json!({}), &ada),
            ("explode", json!({}), &ada),
            ("linger", json!({}), &ada),
        ] {
            call(tool, arguments)
                .bearer(token)
                .send()
                .await
                .expect_status(200);
        }
        call("upload", json!({}))
            .bearer(&ada)
            .send()
            .await
            .expect_status(403);
        for _ in 0..2 {
            call("rarely", json!({})).bearer(&ada).send().await;
            call("no_such_tool", json!({})).bearer(&ada).send().await;
            call("delete", json!({})).send().await.expect_status(401);
        }
        world.list(era).bearer(&ada).send().await.expect_status(200);
    }
    // One call holds the only place of the tool, and another is refused. Then the client leaves.
    let held = tokio::spawn(
        world
            .call(Era::Modern, "wait", json!({}))
            .bearer(&ada)
            .start(),
    );
    eventually("the call waits", || gate.entered() == 1).await;
    world
        .call(Era::Modern, "wait", json!({}))
        .bearer(&ada)
        .send()
        .await;
    let running = Scrape::of(&world).await;
    running.expect("mcp_auth_calls_in_flight", 1.0);
    held.abort();
    let mut scrape = Scrape::of(&world).await;
    while scrape.series["mcp_auth_calls_in_flight"] > 0.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        scrape = Scrape::of(&world).await;
    }
    scrape.expect_calls("greet", &[("allowed", 6), ("invalid", 2)]);
    scrape.expect_calls("delete", &[("allowed", 6), ("denied", 2)]);
    scrape.expect_calls("rename", &[("denied", 2)]);
    scrape.expect_calls("upload", &[("denied", 2)]);
    scrape.expect_calls("fail", &[("failed", 2)]);
    scrape.expect_calls("explode", &[("panicked", 2)]);
    scrape.expect_calls("linger", &[("timed_out", 2)]);
    scrape.expect_calls("rarely", &[("allowed", 2), ("limited", 2)]);
    scrape.expect_calls("other", &[("unknown", 4)]);
    scrape.expect_calls("wait", &[("cancelled", 1), ("limited", 1)]);
    for (series, value) in [
        // `linus` is in no organization, and `delete` and `rename` need one.
        ("mcp_auth_denials_total{requirement=\"organization\"}", 4.0),
        ("mcp_auth_denials_total{requirement=\"scope\"}", 2.0),
        ("mcp_auth_denials_total{requirement=\"permission\"}", 0.0),
        ("mcp_auth_limits_hit_total{limit=\"rates\"}", 2.0),
        ("mcp_auth_limits_hit_total{limit=\"concurrency\"}", 1.0),
        ("mcp_auth_refusals_total{reason=\"sign_in\"}", 4.0),
        ("mcp_auth_refusals_total{reason=\"more_scope\"}", 2.0),
        ("mcp_auth_http_responses_total{status=\"401\"}", 4.0),
        ("mcp_auth_http_responses_total{status=\"403\"}", 2.0),
        (
            "mcp_auth_requests_total{method=\"tools/call\",outcome=\"refused\"}",
            6.0,
        ),
        (
            "mcp_auth_requests_total{method=\"tools/list\",outcome=\"ok\"}",
            2.0,
        ),
        // An unknown tool is an error.
        (
            "mcp_auth_requests_total{method=\"tools/call\",outcome=\"error\"}",
            4.0,
        ),
        (
            "mcp_auth_token_verifications_total{result=\"accepted\"}",
            2.0,
        ),
        (
            "mcp_auth_tokens_refused_total{reason=\"token-expired\"}",
            0.0,
        ),
        (
            "mcp_auth_call_duration_seconds_count{kind=\"tool\",name=\"delete\"}",
            6.0,
        ),
        (
            "mcp_auth_call_duration_seconds_count{kind=\"tool\",name=\"linger\"}",
            2.0,
        ),
    ] {
        scrape.expect(series, value);
    }
    let slow = &scrape.series["mcp_auth_call_duration_seconds_sum{kind=\"tool\",name=\"linger\"}"];
    // The clock of the test stands still.
    assert!(*slow < 5.0, "{slow}");
    // The cancelled call has no response.
    let responses = scrape.sum("mcp_auth_http_responses_total");
    assert_eq!(responses, 2.0 * 20.0 + 1.0, "{}", scrape.text);
    let verified = scrape.sum("mcp_auth_token_verifications_total");
    assert_eq!(verified, 2.0 * 15.0 + 2.0, "{}", scrape.text);
    gate.open();
}

#[actix_web::test]
async fn a_refused_token_is_counted_by_the_rule_that_it_breaks() {
    let (world, _) = world(|builder| builder.audience_policy(AudiencePolicy::Require)).await;
    let old = world.mint(&TokenRequest::oauth("ada").aud(world.url()));
    world.clock.advance(Duration::from_secs(25 * 3600));
    let ask = |token: &str| world.list(Era::Legacy).bearer(token).send();
    ask(&old).await.expect_status(401);
    for _ in 0..3 {
        ask(&world.ada()).await.expect_status(401);
    }
    ask(&world.mint(&TokenRequest::oauth("ada").aud("https://other.example/mcp")))
        .await
        .expect_status(401);
    ask("not a token").await.expect_status(401);
    let scrape = Scrape::of(&world).await;
    for (reason, tokens) in [
        ("token-audience-missing", 3.0),
        ("token-audience-mismatch", 1.0),
        ("token-expired", 1.0),
        ("token-invalid", 1.0),
        ("token-invalid-signature", 0.0),
    ] {
        let series = format!("mcp_auth_tokens_refused_total{{reason=\"{reason}\"}}");
        scrape.expect(&series, tokens);
    }
    scrape.expect("mcp_auth_refusals_total{reason=\"invalid_token\"}", 6.0);
    scrape.expect(
        "mcp_auth_token_verifications_total{result=\"refused\"}",
        6.0,
    );
}

#[actix_web::test]
async fn no_text_of_a_client_becomes_a_label() {
    let (world, _) = world(|builder| builder.discoverable()).await;
    let ada = world.ada();
    // Series appear when a status or a reason occurs first.
    let send = async |round: usize| {
        for era in ERAS {
            let odd = format!("odd{round}\"}} 1 evil");
            world.call(era, &odd, json!({})).bearer(&ada).send().await;
            world.ask(era, &odd, json!({})).bearer(&ada).send().await;
            world
                .ask(
                    era,
                    "resources/read",
                    json!({ "uri": format!("evil://{round}") }),
                )
                .bearer(&ada)
                .send()
                .await;
            world
                .ask(era, "prompts/get", json!({ "name": "odd" }))
                .bearer(&ada)
                .send()
                .await;
        }
        world.get(&format!("/mcp/{round}")).await;
        world
            .request(
                Method::from_bytes(format!("ODD{round}").as_bytes()).unwrap(),
                "/mcp",
            )
            .send()
            .await;
    };
    send(0).await;
    let before = Scrape::of(&world).await;
    for round in 1..200 {
        send(round).await;
    }
    let after = Scrape::of(&world).await;
    let names = |scrape: &Scrape| scrape.series.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&before), names(&after));
    assert!(!after.text.contains("odd") && !after.text.contains("evil"));
    after.expect_calls("other", &[("unknown", 400)]);
    after.expect(
        "mcp_auth_calls_total{kind=\"resource\",name=\"other\",outcome=\"unknown\"}",
        400.0,
    );
    let other: f64 = ["error", "ok", "accepted", "refused"]
        .iter()
        .filter_map(|outcome| {
            let series =
                format!("mcp_auth_requests_total{{method=\"other\",outcome=\"{outcome}\"}}");
            after.series.get(&series)
        })
        .sum();
    assert_eq!(other, 400.0, "{}", after.text);
}

#[actix_web::test]
async fn requests_to_clerk_are_counted_and_an_open_circuit_is_visible() {
    let (world, _) = world(|builder| builder).await;
    let ada = world.ada();
    let delete = || world.call(Era::Legacy, "delete", json!({})).bearer(&ada);
    delete().send().await.expect_status(200);
    let scrape = Scrape::of(&world).await;
    scrape.expect(
        "mcp_auth_clerk_requests_total{operation=\"memberships\",result=\"ok\"}",
        1.0,
    );
    scrape.expect(
        "mcp_auth_clerk_request_duration_seconds_count{operation=\"memberships\"}",
        1.0,
    );
    scrape.expect("mcp_auth_key_refreshes_total{result=\"ok\"}", 1.0);
    scrape.expect("mcp_auth_keys", 1.0);
    scrape.expect("mcp_auth_circuit_open{service=\"memberships\"}", 0.0);
    let clerk: &Emulator = world.clerk.as_ref().unwrap();
    clerk
        .instance()
        .add_fault(Fault::status(500).at("/v1/organizations"));
    world.clock.advance(Duration::from_secs(60));
    for _ in 0..6 {
        delete().send().await;
    }
    let scrape = Scrape::of(&world).await;
    scrape.expect("mcp_auth_circuit_open{service=\"memberships\"}", 1.0);
    scrape.expect(
        "mcp_auth_circuit_openings_total{service=\"memberships\"}",
        1.0,
    );
    scrape.expect(
        "mcp_auth_clerk_requests_total{operation=\"memberships\",result=\"failed\"}",
        5.0,
    );
    scrape.expect_calls("delete", &[("allowed", 1), ("unavailable", 6)]);
    world.clock.advance(Duration::from_secs(2));
    let scrape = Scrape::of(&world).await;
    scrape.expect("mcp_auth_circuit_open{service=\"memberships\"}", 0.0);
}

#[actix_web::test]
async fn the_page_for_operators_lists_exactly_the_metrics_of_a_scrape() {
    let (world, _) = world(|builder| builder).await;
    world
        .call(Era::Legacy, "delete", json!({}))
        .bearer(&world.ada())
        .send()
        .await
        .expect_status(200);
    world
        .call(Era::Legacy, "delete", json!({}))
        .send()
        .await
        .expect_status(401);
    let scrape = Scrape::of(&world).await;
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operate.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("\n## All metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut listed = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, unit, _] = cells[..] else {
            panic!("{row}");
        };
        listed.insert(name.trim_matches('`').to_owned(), (kind, labels, unit));
    }
    assert_eq!(
        listed.keys().cloned().collect::<BTreeSet<_>>(),
        scrape.names()
    );
    for (name, (kind, labels, unit)) in listed {
        assert!(
            scrape.text.contains(&format!("# TYPE {name} {kind}\n")),
            "{name}"
        );
        assert!(scrape.text.contains(&format!("# HELP {name} ")), "{name}");
        let sample = scrape.series.keys().find(|series| {
            let of = series.split('{').next().unwrap();
            of == name || of == format!("{name}_sum")
        });
        let sample = sample.unwrap_or_else(|| panic!("no sample of {name}"));
        let pairs = sample.split_once('{').map_or("", |(_, rest)| rest);
        let names: Vec<_> = pairs
            .split(',')
            .filter_map(|pair| Some(format!("`{}`", pair.split_once("=\"")?.0)))
            .collect();
        assert_eq!(labels, names.join(", "), "{name}");
        for of in ["seconds", "bytes"] {
            assert_eq!(name.contains(of), unit == of, "{name}");
        }
    }
}

#[actix_web::test]
async fn the_address_of_metrics_serves_three_paths_and_only_reading() {
    let (world, _) = world(|builder| builder).await;
    let address = world.server.metrics.unwrap();
    let http = client();
    let status = async |method: Method, path: &str| {
        let request = http.request(method, format!("http://{address}{path}"));
        request.send().await.unwrap().status().as_u16()
    };
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(status(Method::GET, path).await, 200, "{path}");
        assert_eq!(status(Method::HEAD, path).await, 200, "{path}");
        assert_eq!(status(Method::POST, path).await, 405, "{path}");
        assert_eq!(status(Method::DELETE, path).await, 405, "{path}");
    }
    for path in [
        "/",
        "/mcp",
        "/metrics/",
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        assert_eq!(status(Method::GET, path).await, 404, "{path}");
    }
    // The endpoint has none of the three paths.
    for path in ["/metrics", "/healthz", "/readyz"] {
        world.get(path).await.expect_status(404);
    }
    let openmetrics = http
        .get(format!("http://{address}/metrics"))
        .header(
            "accept",
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
        )
        .send()
        .await
        .unwrap();
    let media = openmetrics.headers()["content-type"].to_str().unwrap();
    assert_eq!(
        media,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(openmetrics.text().await.unwrap().ends_with("# EOF\n"));
}

#[actix_web::test]
async fn a_page_that_rebinds_its_name_cannot_read_local_metrics() {
    let (world, _) = world(|builder| builder).await;
    let address = world.server.metrics.unwrap();
    let port = address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("evil.example:{port}"), 403),
        ("evil.example".to_owned(), 403),
        (format!("localhost.evil.example:{port}"), 403),
    ] {
        let mut raw = Raw::connect(address).await;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n");
        raw.write(request.as_bytes()).await;
        assert_eq!(raw.reply().await.status, status, "{host}");
        // A probe tells nothing, so it may have any host.
        raw.write(format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
            .await;
        assert_eq!(raw.reply().await.status, 200, "{host}");
    }
}

#[actix_web::test]
async fn open_streams_sessions_connections_and_bytes_are_gauges_of_now() {
    let (world, _) = world(|builder| builder.legacy_sessions()).await;
    let ada = world.ada();
    let params = json!({
        "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
    });
    let opened = world
        .post(message("initialize", params))
        .bearer(&ada)
        .send()
        .await;
    assert!(opened.expect_status(200).header("mcp-session-id").is_some());
    let listen = world.ask(
        Era::Modern,
        "subscriptions/listen",
        json!({ "notifications": { "toolsListChanged": true } }),
    );
    let stream = listen.bearer(&ada).start().await;
    assert_eq!(stream.status(), 200);
    let scrape = Scrape::of(&world).await;
    scrape.expect("mcp_auth_sessions", 1.0);
    scrape.expect("mcp_auth_subscriptions", 1.0);
    assert!(scrape.series["mcp_auth_connections"] >= 1.0);
    assert!(scrape.series["mcp_auth_received_bytes_total"] > 500.0);
    assert!(scrape.series["mcp_auth_sent_bytes_total"] > 100.0);
    drop(stream);
    loop {
        let scrape = Scrape::of(&world).await;
        if scrape.series["mcp_auth_subscriptions"] == 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn the_environment_sets_the_address_and_the_report_says_what_it_exposes() {
    let process = Process::start(&[("MCP_METRICS", "0.0.0.0:0")]);
    let printed = process.printed();
    assert!(printed.contains("metrics   http://0.0.0.0:"), "{printed}");
    assert!(
        printed.contains("everyone who can connect to it reads the names of the tools"),
        "{printed}"
    );
    let error = refusal(&[("MCP_METRICS", "9464"), ("PORT", "0")]);
    assert_eq!(
        error,
        "MCP_METRICS is `9464`: an address and a port are expected, such as `127.0.0.1:9464`"
    );
}

#[actix_web::test]
async fn a_port_of_metrics_that_is_taken_stops_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let clerk = emulator().await;
    let builder = crate::support::builder(&clerk)
        .tools_of("protocol::lifecycle::tools")
        .port(0)
        .metrics(&address);
    let error = builder.start().await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {address} for metrics")),
        "{error}"
    );
    assert!(error.ends_with("[metrics-listen-failed]"), "{error}");
}

#[actix_web::test]
async fn facts_alerts_and_the_dashboard_use_metrics_that_exist() {
    let (world, _) = world(|builder| builder).await;
    world
        .call(Era::Legacy, "delete", json!({}))
        .bearer(&world.ada())
        .send()
        .await
        .expect_status(200);
    world
        .call(Era::Legacy, "delete", json!({}))
        .send()
        .await
        .expect_status(401);
    let scrape = Scrape::of(&world).await;
    let names = scrape.names();
    let read = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        fs::read_to_string(path).unwrap()
    };
    let page = read("docs/operate.md");
    let (alerts, dashboard) = (
        read("docs/operate/alerts.yml"),
        read("docs/operate/dashboard.json"),
    );
    let mut used = 0;
    for text in [&page, &alerts, &dashboard] {
        for rest in text.split("mcp_auth_").skip(1) {
            let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let name = format!("mcp_auth_{}", &rest[..end]);
            let base = name.strip_suffix("_bucket").unwrap_or(&name);
            assert!(names.contains(base), "there is no metric {name}");
            used += 1;
        }
    }
    assert!(used > 80, "the files are not read: {used}");
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    // The page lists the alerts of the file, with their severity.
    let in_file: BTreeSet<_> = alerts
        .split("- alert: ")
        .skip(1)
        .map(|rule| {
            let name = rule.lines().next().unwrap().to_owned();
            let (_, severity) = rule.split_once("severity: ").unwrap();
            let end = severity.find([',', ' ']).unwrap();
            (name, severity[..end].to_owned())
        })
        .collect();
    let listed: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `McpAuth"))
        .map(|row| {
            let mut cells = row.split(" | ");
            let name = cells.next().unwrap().trim_end_matches('`');
            (format!("McpAuth{name}"), cells.next().unwrap().to_owned())
        })
        .collect();
    assert_eq!(listed, in_file);
    // A fact has one name: in the log, in the metric, and in the label of the alert.
    let (_, facts) = page.split_once("| fact | metric |").unwrap();
    let facts = facts
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| `"));
    let facts: Vec<_> = facts.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(facts.len(), 11, "{facts:?}");
    let source = crate::guides::source();
    for fact in facts {
        let of_token = format!("mcp_auth_tokens_refused_total{{reason=\"{fact}\"}}");
        let in_log = source.contains(&format!("fact = \"{fact}\""))
            || source.contains(&format!("then_some(\"{fact}\")"));
        assert!(in_log || scrape.series.contains_key(&of_token), "{fact}");
        let alert = format!("fact: {fact}");
        assert!(
            fact == "token-audience-mismatch" || alerts.contains(&alert),
            "{fact}"
        );
    }
}
