//! 10 000 requests of every kind, counted in four places: by the client that sends them, in the metrics, in the audit log, and
//! in the spans. The four must agree to the request.

mod kinds;
mod places;
mod sending;

use std::fmt::{Display, Write};

use clerk_emulator::TokenRequest;

use crate::collector::Collector;
use crate::process::Process;
use crate::support::{LOAD, emulator};

use self::kinds::{Tokens, plan};
use self::places::{Audited, Expected, Scraped, compare_spans};
use self::sending::{Gate, Sender, send_all};

/// The number of requests.
const REQUESTS: usize = 10_000;
/// The number of connections that send requests at the same time.
const SENDERS: usize = 16;
/// The seed of the order of the requests.
const SEED: u64 = 0x5eed_2026;

#[actix_web::test]
async fn metrics_audit_and_spans_agree_with_what_was_sent() {
    let _alone = LOAD.lock().await;
    let clerk = emulator().await;
    clerk.instance().set_machine("billing", &["mcp"]);
    let collector = Collector::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit.jsonl");
    let mut process = Process::start_program_on(
        env!("CARGO_BIN_EXE_counted"),
        &clerk,
        &[
            ("MCP_AUDIT", audit.to_str().unwrap()),
            ("MCP_AUDIT_QUEUE", "20000"),
            ("MCP_METRICS", "127.0.0.1:0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "20000"),
            ("RUST_LOG", "off"),
        ],
        "wiki://pages",
    );
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let mint = |request: &TokenRequest| clerk.instance().mint(request, now).unwrap();
    let tokens = Tokens::of(&mint);
    let gate = Gate::open().await;
    let sender = Sender {
        endpoint: process.fact("endpoint").to_owned(),
        metrics: process.fact("metrics").to_owned(),
        tokens,
        gate,
    };
    let sent = send_all(&sender, plan(REQUESTS, SEED), SENDERS).await;
    assert_eq!(sent.len(), REQUESTS);
    let expected = Expected::of(&sent);
    // When the server has seen that all clients left, the gate lets the calls of older clients go. They continue without
    // their clients.
    let left = expected.requests[&("tools/call".to_owned(), "cancelled".to_owned())];
    let scraped = |text: &str| Scraped::read(text);
    sender.until(|text| scraped(text).cancelled() == left).await;
    sender.gate.let_go();
    let text = sender
        .until(|text| scraped(text).is_idle() && scraped(text).calls() == expected.calls())
        .await;

    process.signal("TERM");
    while process.ended().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut differences = Differences::default();
    scraped(&text).compare(&expected, &mut differences);
    let records = std::fs::read_to_string(&audit).unwrap();
    Audited::read(&records).compare(&expected, &sent, &mut differences);
    compare_spans(&collector.spans(REQUESTS), &sent, &mut differences);
    assert!(differences.0.is_empty(), "\n{}", differences.0);
}

/// The differences between the four places, as a table.
#[derive(Default)]
struct Differences(String);

impl Differences {
    fn compare<T: Display + PartialEq>(&mut self, place: &str, what: &str, sent: &T, found: &T) {
        if sent != found && self.0.lines().count() < 60 {
            writeln!(
                self.0,
                "{place:8} | {what:70} | sent {sent} | found {found}"
            )
            .unwrap();
        }
    }
}
