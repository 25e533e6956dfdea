//! A collector of OpenTelemetry in the process of a test. It reads real requests of OTLP over HTTP.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use prost::Message;

/// A collector that listens on a free port. Its threads end with the process.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answers: Vec<Answer>,
    heads: Vec<String>,
    spans: Vec<Exported>,
}

/// The answer to a request. After the last answer of the list, the collector accepts every request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// The collector never answers.
    Never,
    /// The collector accepts the request, and claims that it rejects this number of its spans.
    Reject(i64),
    /// The collector answers with this status.
    Status(u16),
}

/// A span that the collector received.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) scope: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) span: Span,
}

impl Collector {
    /// Starts a collector that gives these answers to its first requests.
    pub(crate) fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.state.lock().unwrap().answers = answers.iter().rev().copied().collect();
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(&stream.unwrap()));
            }
        });
        Self { address, shared }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for this number of spans, and returns all spans so far.
    pub(crate) fn spans(&self, number: usize) -> Vec<Exported> {
        let until = |state: &State| state.spans.len() >= number;
        self.wait(&format!("{number} spans"), until, |state| {
            state.spans.clone()
        })
    }

    /// Waits for this number of requests, and returns the heads of all requests so far.
    pub(crate) fn heads(&self, number: usize) -> Vec<String> {
        let until = |state: &State| state.heads.len() >= number;
        self.wait(&format!("{number} requests"), until, |state| {
            state.heads.clone()
        })
    }

    fn wait<T>(
        &self,
        what: &str,
        mut until: impl FnMut(&State) -> bool,
        take: impl FnOnce(&State) -> T,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while !until(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never: {what}, but {}", state.spans.len());
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        take(&state)
    }
}

impl Shared {
    /// Answers the requests of one connection until the client closes it.
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    return;
                }
            }
            let header = |name: &str| {
                let lines = head
                    .lines()
                    .skip(1)
                    .filter_map(|line| line.split_once(": "));
                let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.to_owned())
            };
            let length = header("content-length").unwrap().parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            if header("content-encoding").as_deref() == Some("gzip") {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&body[..])
                    .read_to_end(&mut plain)
                    .unwrap();
                body = plain;
            }
            let (status, rejected) = {
                let mut state = self.state.lock().unwrap();
                state.heads.push(head.clone());
                let answer = state.answers.pop();
                let (status, rejected) = match answer {
                    None => (200, 0),
                    Some(Answer::Never) => (0, 0),
                    Some(Answer::Reject(spans)) => (200, spans),
                    Some(Answer::Status(status)) => (status, 0),
                };
                if status == 200 {
                    state.spans.extend(exported(&body));
                }
                self.changed.notify_all();
                (status, rejected)
            };
            if status == 0 {
                // The client closes the connection when it gives up.
                let _ = reader.read(&mut [0]);
                return;
            }
            let answer = ExportTraceServiceResponse {
                partial_success: (rejected != 0).then(|| ExportTracePartialSuccess {
                    rejected_spans: rejected,
                    error_message: String::new(),
                }),
            };
            let answer = answer.encode_to_vec();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            let mut writer = stream;
            if writer
                .write_all(&[head.as_bytes(), &answer].concat())
                .is_err()
            {
                return;
            }
        }
    }
}

impl Exported {
    #[track_caller]
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// The trace ids of the linked spans.
    pub(crate) fn links(&self) -> Vec<String> {
        let links = self.span.links.iter();
        links.map(|link| hex(&link.trace_id)).collect()
    }

    /// Expects these attributes, and no others.
    #[track_caller]
    pub(crate) fn expect_attributes(&self, expected: &[(&str, &str)]) {
        let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let expected: BTreeMap<_, _> = expected.iter().map(named).collect();
        assert_eq!(self.attributes, expected, "{:#?}", self.span);
    }

    pub(crate) fn kind(&self) -> SpanKind {
        self.span.kind()
    }

    pub(crate) fn is_error(&self) -> bool {
        let status = self.span.status.as_ref();
        status.is_some_and(|status| status.code() == StatusCode::Error)
    }

    pub(crate) fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// The id of the parent; empty if there is none.
    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn exported(body: &[u8]) -> Vec<Exported> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = texts(&of_resource.resource.unwrap().attributes);
        for of_scope in of_resource.scope_spans {
            let scope = of_scope.scope.unwrap();
            spans.extend(of_scope.spans.into_iter().map(|span| Exported {
                resource: resource.clone(),
                scope: format!("{} {}", scope.name, scope.version),
                attributes: texts(&span.attributes),
                span,
            }));
        }
    }
    spans
}

/// The attributes as texts. Fails if an attribute occurs twice.
fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for KeyValue { key, value, .. } in attributes {
        let twice = texts.insert(key.clone(), text(value.as_ref()));
        assert!(twice.is_none(), "{key} twice in {attributes:?}");
    }
    texts
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
