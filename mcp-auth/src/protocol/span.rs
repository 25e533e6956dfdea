//! The span of an HTTP request, with the names of OpenTelemetry's conventions for HTTP and MCP.
//!
//! A span never has arguments, results, ids of sessions, or the identity of a caller, an organization or an OAuth
//! client. The target of the span is [`TARGET`], at level `trace`, so that the usual filters leave it out: a server
//! without a subscriber for it makes no span.
//!
//! Source: OpenTelemetry semantic conventions, "Semantic conventions for Model Context Protocol" and "HTTP spans".

use std::sync::atomic::{AtomicI32, Ordering};

use serde::Deserialize;
use tracing::field::{Empty, display};
use tracing::{Level, Span};

use crate::primitive::{LogName, Served};

use super::era::{Header, Mirrored};

/// The span of a request.
#[derive(Debug)]
pub(crate) struct RequestSpan {
    span: Span,
    /// The code of the JSON-RPC error in the response; 0 if there is none.
    error: AtomicI32,
}

impl RequestSpan {
    /// Makes a span, if a subscriber is interested in it.
    pub(crate) fn begin(method: &str, path: &str) -> Option<Self> {
        if !is_wanted() {
            return None;
        }
        let span = tracing::trace_span!(
            target: TARGET,
            "request",
            otel.name = Empty,
            otel.kind = "server",
            otel.status_code = Empty,
            error.type = Empty,
            http.request.method = method,
            http.response.status_code = Empty,
            url.path = path,
            mcp.method.name = Empty,
            mcp.protocol.version = Empty,
            mcp.resource.uri = Empty,
            gen_ai.operation.name = Empty,
            gen_ai.prompt.name = Empty,
            gen_ai.tool.name = Empty,
            mcp_auth.client.name = Empty,
            mcp_auth.outcome = Empty,
            traceparent = Empty,
        );
        Some(Self {
            span,
            error: AtomicI32::new(0),
        })
    }

    /// Returns the span, in which the request runs.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Adds what the message says. `served` is the declared tool, prompt or resource that the message uses, and `error` is
    /// the code of the JSON-RPC error in the response.
    #[cold]
    pub(super) fn describe(
        &self,
        method: &'static str,
        served: Option<&Served>,
        mirrored: &Mirrored<'_>,
        body: &str,
        error: Option<i32>,
    ) {
        let span = &self.span;
        span.record("mcp.method.name", method);
        let LogName {
            prompt,
            resource,
            tool,
        } = served.map(Served::log_name).unwrap_or_default();
        if tool.is_some() {
            span.record("gen_ai.operation.name", "execute_tool");
        }
        span.record("gen_ai.tool.name", tool);
        span.record("gen_ai.prompt.name", prompt);
        span.record("mcp.resource.uri", resource);
        match tool.or(prompt) {
            Some(target) => span.record("otel.name", display(format_args!("{method} {target}"))),
            None => span.record("otel.name", method),
        };
        let stated: Stated = serde_json::from_str(body).unwrap_or_default();
        let params = stated.params.unwrap_or_default();
        let meta = params.meta.unwrap_or_default();
        let in_header = match mirrored.version {
            Header::Value(version) => Some(version),
            Header::Absent | Header::Malformed => None,
        };
        let version = params.version.as_deref().or(in_header);
        span.record(
            "mcp.protocol.version",
            version.filter(|text| is_version(text)),
        );
        if let Some(client) = meta.client.or(params.client) {
            let name: String = client.name.chars().take(MOST_NAME_CHARS).collect();
            // `Debug` escapes a line break, which could forge a line of a log.
            span.record("mcp_auth.client.name", tracing::field::debug(name));
        }
        let in_header = match mirrored.arguments.header("traceparent") {
            Header::Value(parent) => Some(parent),
            Header::Absent | Header::Malformed => None,
        };
        let parent = meta.traceparent.as_deref().or(in_header);
        span.record("traceparent", parent.filter(|text| is_traceparent(text)));
        self.error
            .store(error.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Adds the status of the response.
    #[cold]
    pub(crate) fn answered(&self, status: u16) {
        let span = &self.span;
        span.record("http.response.status_code", status);
        let error = self.error.load(Ordering::Relaxed);
        if error != 0 {
            span.record("error.type", display(error));
        } else if status >= 400 {
            span.record("error.type", display(status));
        }
        if error != 0 || status >= 500 {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// Adds the outcome of a call to the span of the request, if there is one.
pub(super) fn record_outcome(outcome: &'static str) {
    if is_wanted() {
        Span::current().record("mcp_auth.outcome", outcome);
    }
}

fn is_wanted() -> bool {
    tracing::span_enabled!(target: TARGET, Level::TRACE)
}

/// Reports whether a text is a `traceparent` of version 00.
///
/// Source: W3C Trace Context, section 3.2.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else {
        return false;
    };
    let is_hex = |text: &str, length| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == length && text.bytes().all(is_digit)
    };
    let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    version == "00" && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)
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
struct Stated {
    params: Option<StatedParams>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatedParams {
    #[serde(rename = "_meta")]
    meta: Option<StatedMeta>,
    #[serde(rename = "clientInfo")]
    client: Option<StatedClient>,
    #[serde(rename = "protocolVersion")]
    version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatedMeta {
    traceparent: Option<String>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    client: Option<StatedClient>,
}

#[derive(Deserialize)]
struct StatedClient {
    name: String,
}

const TARGET: &str = "mcp_auth::spans";
const MOST_NAME_CHARS: usize = 64;

#[cfg(all(test, feature = "testing"))]
mod tests;
