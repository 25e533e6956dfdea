//! The span of an HTTP request, with the names of OpenTelemetry's conventions for HTTP and MCP.
//!
//! A span never has arguments, results, ids of sessions, or the identity of a caller, an organization or an OAuth
//! client. The target of the span is [`SPANS`], at level `trace`, so that the usual filters leave it out: a server
//! without a subscriber for it makes no span.
//!
//! A span without a JSON-RPC message has the name of an HTTP request, such as `POST /mcp`. An error status of HTTP below
//! 500 is no error of the span, because the server did what the request called for.
//!
//! Source: OpenTelemetry semantic conventions, "Semantic conventions for Model Context Protocol" and "HTTP spans".

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use serde::Deserialize;
use tracing::field::{Empty, debug};
use tracing::{Level, Span, record_all};

#[cfg(feature = "otel")]
use crate::otel;
use crate::primitive::{LogName, Served};
use crate::traceparent::{RemoteSpan, SPANS};

use super::era::{Header, Headers, Mirrored};

/// The span of a request.
pub(crate) struct RequestSpan<'a> {
    span: Span,
    /// The span for the export, if only the message says that its client records the trace.
    late: OnceLock<Span>,
    http: Http<'a>,
    headers: &'a dyn Headers,
    /// True if the span is not exported.
    #[cfg(feature = "otel")]
    is_left_out: bool,
    is_described: AtomicBool,
    /// The code of the JSON-RPC error in the response; 0 if there is none.
    error: AtomicI32,
}

/// The HTTP request of a span.
#[derive(Clone, Copy)]
struct Http<'a> {
    method: &'static str,
    scheme: &'a str,
    path: &'a str,
}

impl Http<'_> {
    /// Makes a span with the attributes of the request.
    fn span(self) -> Span {
        let Self {
            method,
            scheme,
            path,
        } = self;
        tracing::trace_span!(
            target: SPANS,
            "request",
            otel.name = Empty,
            otel.kind = "server",
            otel.status_code = Empty,
            error.type = Empty,
            http.request.method = method,
            http.response.status_code = Empty,
            network.protocol.name = "http",
            network.transport = "tcp",
            url.path = path,
            url.scheme = scheme,
            mcp.method.name = Empty,
            mcp.protocol.version = Empty,
            mcp.resource.uri = Empty,
            gen_ai.operation.name = Empty,
            gen_ai.prompt.name = Empty,
            gen_ai.tool.name = Empty,
            rpc.response.status_code = Empty,
            mcp_auth.client.name = Empty,
            mcp_auth.outcome = Empty,
            traceparent = Empty,
        )
    }

    /// Returns the name of a span without a message.
    fn name(self) -> String {
        match self.method {
            OTHER => format!("HTTP {}", self.path),
            method => format!("{method} {}", self.path),
        }
    }
}

impl<'a> RequestSpan<'a> {
    /// Makes a span, if a subscriber is interested in it. `scheme` is the scheme of the canonical URL.
    pub(crate) fn begin(
        method: &str,
        scheme: &'a str,
        path: &'a str,
        headers: &'a dyn Headers,
    ) -> Option<Box<Self>> {
        if !is_wanted() {
            return None;
        }
        let known = HTTP_METHODS.iter().find(|known| **known == method);
        let http = Http {
            method: known.copied().unwrap_or(OTHER),
            scheme,
            path,
        };
        #[cfg(feature = "otel")]
        let (span, is_left_out) = otel::begin(of_headers(headers), || http.span());
        #[cfg(not(feature = "otel"))]
        let span = http.span();
        // The box keeps the futures of requests without a span small.
        Some(Box::new(Self {
            span,
            late: OnceLock::new(),
            http,
            headers,
            #[cfg(feature = "otel")]
            is_left_out,
            is_described: AtomicBool::new(false),
            error: AtomicI32::new(0),
        }))
    }

    /// Returns the span, in which the request runs. `None` if nobody gets the span.
    pub(crate) fn span(&self) -> Option<Span> {
        Some(self.span.clone()).filter(|span| !span.is_disabled())
    }

    /// Returns the span in which the message is answered, if only the message says that its client records the trace.
    pub(super) fn late(&self) -> Option<Span> {
        self.late.get().cloned()
    }

    /// Makes the span for the export, if only the message says that its client records the trace. The span begins now.
    fn begin_late(&self, client: Option<RemoteSpan<'_>>) {
        #[cfg(feature = "otel")]
        if self.is_left_out && client.is_some_and(otel::takes_in) {
            self.late.get_or_init(|| self.http.span());
        }
        #[cfg(not(feature = "otel"))]
        let _ = client;
    }

    /// Returns the spans that somebody gets.
    fn spans(&self) -> impl Iterator<Item = &Span> {
        let spans = [Some(&self.span), self.late.get()];
        spans
            .into_iter()
            .flatten()
            .filter(|span| !span.is_disabled())
    }

    /// Adds what the message says, before the server acts on the message. `served` is the declared tool, prompt or resource
    /// that the message uses.
    #[cold]
    pub(super) fn describe(
        &self,
        method: &'static str,
        served: Option<&Served>,
        mirrored: &Mirrored<'_>,
        traceparent: Option<&str>,
        body: &str,
    ) {
        self.is_described.store(true, Ordering::Relaxed);
        self.begin_late(RemoteSpan::read(traceparent, None));
        if self.spans().next().is_none() {
            return;
        }
        let LogName {
            prompt,
            resource,
            tool,
        } = served.map(Served::log_name).unwrap_or_default();
        let stated: Stated<'_> = serde_json::from_str(body).unwrap_or_default();
        let params = stated.params.unwrap_or_default();
        let meta = params.meta.unwrap_or_default();
        let version = params.version.as_deref().or(value(mirrored.version));
        let client = meta.client.or(params.client);
        // `Debug` escapes a line break, which could forge a line of a log.
        let client = client.as_ref().map(|client| debug(shortened(&client.name)));
        let target = tool.or(prompt);
        let space = if target.is_some() { " " } else { "" };
        let name = format_args!("{method}{space}{}", target.unwrap_or_default());
        for span in self.spans() {
            // A span that gets its fields at once costs half of one that gets them in turn.
            record_all!(
                span,
                otel.name = %name,
                mcp.method.name = method,
                mcp.protocol.version = version.filter(|text| is_version(text)),
                mcp.resource.uri = resource,
                gen_ai.operation.name = tool.map(|_| "execute_tool"),
                gen_ai.prompt.name = prompt,
                gen_ai.tool.name = tool,
                mcp_auth.client.name = client.as_ref(),
            );
        }
        let of_request = of_headers(self.headers);
        match traceparent {
            None => self.continues(of_request, None),
            traceparent => {
                let of_message = RemoteSpan::read(traceparent, meta.tracestate.as_deref());
                self.continues(of_message, of_request);
            }
        }
    }

    /// Makes the span a part of the client's trace. The context of the message takes precedence, and the span is linked to
    /// the context of the HTTP request.
    fn continues(&self, parent: Option<RemoteSpan<'_>>, link: Option<RemoteSpan<'_>>) {
        let Some(parent) = parent else {
            return;
        };
        for span in self.spans() {
            #[cfg(feature = "otel")]
            if otel::set_parent(span, parent, link) {
                continue;
            }
            #[cfg(not(feature = "otel"))]
            let _ = link;
            span.record("traceparent", parent.traceparent.text());
        }
    }

    /// Adds the JSON-RPC error with which the server answers the message.
    #[cold]
    pub(super) fn failed(&self, code: i32) {
        self.error.store(code, Ordering::Relaxed);
    }

    /// Adds the status of the response.
    #[cold]
    pub(crate) fn answered(&self, status: u16) {
        let code = self.error.load(Ordering::Relaxed);
        let code = (code != 0).then_some(code);
        let failed = (status >= 500).then_some(i32::from(status));
        let error = code.or(failed);
        for span in self.spans() {
            record_all!(
                span,
                http.response.status_code = status,
                rpc.response.status_code = code,
                error.type = error.map(tracing::field::display),
                otel.status_code = error.map(|_| "ERROR"),
            );
        }
    }
}

impl Drop for RequestSpan<'_> {
    fn drop(&mut self) {
        if !self.is_described.load(Ordering::Relaxed) && !self.span.is_disabled() {
            self.span.record("otel.name", self.http.name());
            self.continues(of_headers(self.headers), None);
        }
    }
}

impl fmt::Debug for RequestSpan<'_> {
    /// Leaves out the headers, because they include the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSpan")
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

/// Returns the client's span, as the headers of the request write it.
fn of_headers(headers: &dyn Headers) -> Option<RemoteSpan<'_>> {
    let header = |name| value(headers.header(name));
    RemoteSpan::read(header("traceparent"), header("tracestate"))
}

/// Adds the outcome of a call to the span of the request, if there is one.
pub(super) fn record_outcome(outcome: &'static str) {
    if is_wanted() {
        Span::current().record("mcp_auth.outcome", outcome);
    }
}

/// Adds to the span of the request that the response is a tool result with `isError`.
pub(super) fn record_tool_error() {
    if is_wanted() {
        let span = Span::current();
        span.record("error.type", "tool_error");
        span.record("otel.status_code", "ERROR");
    }
}

/// Returns the first [`MOST_NAME_CHARS`] characters of a name.
fn shortened(name: &str) -> &str {
    let end = name.char_indices().nth(MOST_NAME_CHARS);
    end.and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

fn is_wanted() -> bool {
    tracing::span_enabled!(target: SPANS, Level::TRACE)
}

fn value(header: Header<'_>) -> Option<&str> {
    match header {
        Header::Value(value) => Some(value),
        Header::Absent | Header::Malformed => None,
    }
}

/// Returns true if a text has the form of a revision of MCP, such as `2025-11-25`.
fn is_version(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// The members of a message that a span shows.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stated<'a> {
    #[serde(borrow)]
    params: Option<StatedParams<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatedParams<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<StatedMeta<'a>>,
    #[serde(borrow, rename = "clientInfo")]
    client: Option<StatedClient<'a>>,
    #[serde(borrow, rename = "protocolVersion")]
    version: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatedMeta<'a> {
    #[serde(borrow)]
    tracestate: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo")]
    client: Option<StatedClient<'a>>,
}

#[derive(Deserialize)]
struct StatedClient<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// The methods that a span names. Source: OpenTelemetry semantic conventions, "HTTP attributes".
const HTTP_METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];
/// The name of every other method.
const OTHER: &str = "_OTHER";
const MOST_NAME_CHARS: usize = 64;

#[cfg(all(test, feature = "testing"))]
mod tests;
