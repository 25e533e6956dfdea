//! Makes the span of a request a part of its client's trace.
//!
//! Source: OpenTelemetry semantic conventions for MCP, "Context propagation"; W3C Trace Context, section 3.

use std::str::FromStr;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::traceparent::RemoteSpan;

/// Makes `parent` the parent of a span, and links the span to `link`. Returns false if no layer exports the span.
pub(crate) fn set_parent(
    span: &Span,
    parent: RemoteSpan<'_>,
    link: Option<RemoteSpan<'_>>,
) -> bool {
    if super::started().is_some_and(|export| !export.takes_parent) {
        return true;
    }
    let Some(context) = context(parent) else {
        return false;
    };
    let context = Context::new().with_remote_span_context(context);
    if span.set_parent(context).is_err() {
        return false;
    }
    if let Some(link) = link.and_then(self::context) {
        span.add_link(link);
    }
    true
}

fn context(
    RemoteSpan {
        traceparent,
        tracestate,
    }: RemoteSpan<'_>,
) -> Option<SpanContext> {
    let state = tracestate.filter(|state| state.len() <= LONGEST_STATE);
    let state = state.and_then(|state| TraceState::from_str(state).ok());
    let flags = match traceparent.is_sampled() {
        true => TraceFlags::SAMPLED,
        false => TraceFlags::NOT_SAMPLED,
    };
    let context = SpanContext::new(
        TraceId::from_hex(traceparent.trace_id()).ok()?,
        SpanId::from_hex(traceparent.parent_id()).ok()?,
        flags,
        true,
        state.unwrap_or_default(),
    );
    context.is_valid().then_some(context)
}

/// The largest `tracestate` that is passed on, in bytes. Source: W3C Trace Context, section 3.3.1.5.
const LONGEST_STATE: usize = 512;
