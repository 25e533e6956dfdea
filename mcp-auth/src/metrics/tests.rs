use std::thread;
use std::time::Duration;

use super::counts::{BOUNDS, Histogram, Row};
use super::families::{METHODS, STATUSES, status};
use super::*;

fn metrics() -> Metrics {
    let build = Build {
        server: "a \"quoted\"\nname\\".to_owned(),
        server_version: "1.2.3".to_owned(),
        started_unix_ms: 1_500,
    };
    let reasons = Reasons {
        denials: &["role", "scope"],
        tokens: &["token-audience-missing"],
    };
    Metrics::new(build, reasons)
}

#[test]
fn a_value_that_is_not_listed_is_counted_as_the_last_value() {
    let row = Row::new(METHODS);
    for method in ["tools/call", "tools/call", "evil/method", "", "other"] {
        row.add(method);
    }
    let read: Vec<_> = row.read().filter(|(_, count)| *count > 0).collect();
    assert_eq!(read, [("tools/call", 2), ("other", 3)]);
}

#[test]
fn a_status_is_a_label_if_the_endpoint_has_it() {
    for known in STATUSES.iter().filter(|status| **status != "other") {
        assert_eq!(status(known.parse().unwrap()), *known);
    }
    for unknown in [0, 99, 201, 418, 599, u16::MAX] {
        assert_eq!(status(unknown), "other");
    }
}

#[test]
fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
    let histogram = Histogram::default();
    let durations = [0, 1_000, 1_001, 300_000_000, 300_000_001];
    for micros in durations {
        histogram.observe(Duration::from_micros(micros));
    }
    let read = histogram.read();
    let filled: Vec<_> = read
        .buckets
        .iter()
        .filter(|(_, count)| *count > 0)
        .copied()
        .collect();
    let [.., last] = BOUNDS;
    assert_eq!(
        filled,
        [(0.001, 2), (0.002, 1), (last, 1), (f64::INFINITY, 1)]
    );
    assert_eq!(read.count, 5);
    assert!((read.sum - 600.002_002).abs() < 1e-6, "{}", read.sum);
}

#[test]
fn no_call_is_lost_among_eight_threads() {
    let metrics = metrics();
    let meter = metrics.meter("tool", "greet");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    meter.count("allowed", || Duration::from_millis(3));
                    metrics.denial("role");
                    metrics.request("tools/call", "ok");
                }
            });
        }
    });
    let text = metrics.scrape(Format::Prometheus);
    for line in [
        "mcp_auth_calls_total{kind=\"tool\",name=\"greet\",outcome=\"allowed\"} 8000",
        "mcp_auth_call_duration_seconds_bucket{kind=\"tool\",name=\"greet\",le=\"0.005\"} 8000",
        "mcp_auth_denials_total{requirement=\"role\"} 8000",
        "mcp_auth_requests_total{method=\"tools/call\",outcome=\"ok\"} 8000",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_denied_call_has_no_duration_and_reads_no_clock() {
    let metrics = metrics();
    let meter = metrics.meter("tool", "greet");
    meter.count("denied", || panic!("the clock was read"));
    CallMeter::default().count("allowed", || panic!("the clock was read"));
    let text = metrics.scrape(Format::Prometheus);
    assert!(text.contains("outcome=\"denied\"} 1"), "{text}");
    assert!(
        text.contains("duration_seconds_count{kind=\"tool\",name=\"greet\"} 0"),
        "{text}"
    );
}

#[test]
fn both_formats_escape_names_and_have_help_and_type_once() {
    let metrics = metrics();
    let sentence = "mcp_auth_build_info{version=\"0.1.0\",server=\"a \\\"quoted\\\"\\nname\\\\\",server_version=\"1.2.3\"} 1";
    for (format, counter, end) in [
        (Format::Prometheus, "mcp_auth_requests_total", ""),
        (Format::OpenMetrics, "mcp_auth_requests", "# EOF\n"),
    ] {
        let text = metrics.scrape(format);
        assert!(text.contains(sentence), "{text}");
        assert!(text.contains("process_start_time_seconds 1.5"), "{text}");
        assert!(text.ends_with(end), "{text}");
        for of in ["HELP", "TYPE"] {
            let lines = text.matches(&format!("# {of} {counter} ")).count();
            assert_eq!(lines, 1, "{of} {text}");
        }
    }
    let units = metrics.scrape(Format::OpenMetrics);
    assert!(
        units.contains("# UNIT mcp_auth_received_bytes bytes\n"),
        "{units}"
    );
}

#[test]
fn a_client_gets_openmetrics_if_it_prefers_openmetrics() {
    for (accept, format) in [
        ("", Format::Prometheus),
        ("*/*", Format::Prometheus),
        ("text/plain", Format::Prometheus),
        ("application/openmetrics-text", Format::OpenMetrics),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        ),
        (
            "text/plain;version=0.0.4;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5",
            Format::Prometheus,
        ),
        ("application/openmetrics-text;q=0", Format::Prometheus),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept}");
    }
}

#[test]
fn counters_that_are_off_write_nothing() {
    let off = Metrics::default();
    off.request("tools/call", "ok");
    off.watch(&KEYS, "", || panic!("a value was read"));
    assert_eq!(off.scrape(Format::Prometheus), "");
    assert!(!off.is_on());
}

#[test]
fn two_sources_of_one_series_are_one_series() {
    let metrics = metrics();
    for value in [3, 4] {
        metrics.watch(&CONNECTIONS, "", move || value);
        metrics.watch(&KEY_REFRESHES, "ok", move || value);
    }
    metrics.watch(&KEY_REFRESHES, "failed", || 1);
    let text = metrics.scrape(Format::Prometheus);
    assert!(text.contains("\nmcp_auth_connections 7\n"), "{text}");
    assert!(text.contains("{result=\"ok\"} 7\n"), "{text}");
    assert!(text.contains("{result=\"failed\"} 1\n"), "{text}");
    assert_eq!(text.matches("\nmcp_auth_connections ").count(), 1);
}
