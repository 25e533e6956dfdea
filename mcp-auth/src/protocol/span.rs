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
    headers: &'a dyn Headers,
    /// The method and the path of the request, which are the name of a span without a message.
    http_name: String,
    is_described: AtomicBool,
    /// The code of the JSON-RPC error in the response; 0 if there is none.
    error: AtomicI32,
}

impl<'a> RequestSpan<'a> {
    /// Makes a span, if a subscriber is interested in it. `scheme` is the scheme of the canonical URL.
    pub(crate) fn begin(
        method: &str,
        scheme: &str,
        path: &str,
        headers: &'a dyn Headers,
    ) -> Option<Box<Self>> {
        if !is_wanted() {
            return None;
        }
        let known = HTTP_METHODS.iter().find(|known| **known == method);
        let method = known.copied().unwrap_or("_OTHER");
        let span = tracing::trace_span!(
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
        );
        // The box keeps the futures of requests without a span small.
        Some(Box::new(Self {
            span,
            headers,
            http_name: match method {
                "_OTHER" => format!("HTTP {path}"),
                method => format!("{method} {path}"),
            },
            is_described: AtomicBool::new(false),
            error: AtomicI32::new(0),
        }))
    }

    /// Returns the span, in which the request runs.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Adds what the message says, before the server acts on the message. `served` is the declared tool, prompt or resource
    /// that the message uses.
    #[cold]
    pub(super) fn describe(
        &self,
        method: &'static str,
        served: Option<&Served>,
        mirrored: &Mirrored<'_>,
        body: &str,
    ) {
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
        self.is_described.store(true, Ordering::Relaxed);
        // A span that gets its fields at once costs half of one that gets them in turn.
        record_all!(
            self.span,
            otel.name = %name,
            mcp.method.name = method,
            mcp.protocol.version = version.filter(|text| is_version(text)),
            mcp.resource.uri = resource,
            gen_ai.operation.name = tool.map(|_| "execute_tool"),
            gen_ai.prompt.name = prompt,
            gen_ai.tool.name = tool,
            mcp_auth.client.name = client,
        );
        let of_request = self.of_headers();
        match meta.traceparent.as_deref() {
            None => self.continues(of_request, None),
            traceparent => {
                let of_message = RemoteSpan::read(traceparent, meta.tracestate.as_deref());
                self.continues(of_message, of_request);
            }
        }
    }

    /// Returns the client's span, as the headers of the request write it.
    fn of_headers(&self) -> Option<RemoteSpan<'a>> {
        let header = |name| value(self.headers.header(name));
        RemoteSpan::read(header("traceparent"), header("tracestate"))
    }

    /// Makes the span a part of the client's trace. The context of the message takes precedence, and the span is linked to
    /// the context of the HTTP request.
    fn continues(&self, parent: Option<RemoteSpan<'_>>, link: Option<RemoteSpan<'_>>) {
        let Some(parent) = parent else {
            return;
        };
        #[cfg(feature = "otel")]
        if otel::set_parent(&self.span, parent, link) {
            return;
        }
        #[cfg(not(feature = "otel"))]
        let _ = link;
        self.span.record("traceparent", parent.traceparent.text());
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
        record_all!(
            self.span,
            http.response.status_code = status,
            rpc.response.status_code = code,
            error.type = error.map(tracing::field::display),
            otel.status_code = error.map(|_| "ERROR"),
        );
    }
}

impl Drop for RequestSpan<'_> {
    fn drop(&mut self) {
        if !self.is_described.load(Ordering::Relaxed) {
            self.span.record("otel.name", &*self.http_name);
            self.continues(self.of_headers(), None);
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
    traceparent: Option<Cow<'a, str>>,
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
const MOST_NAME_CHARS: usize = 64;

#[cfg(all(test, feature = "testing"))]
mod tests;
