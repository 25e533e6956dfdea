//! Makes the span of a request a part of its client's trace.
//!
//! Source: OpenTelemetry semantic conventions for MCP, "Context propagation"; W3C Trace Context, section 3.

use std::collections::HashSet;
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
    let state = tracestate.filter(|state| is_state(state));
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

/// Returns true if a `tracestate` has only printable ASCII, has each key once, and is within the limits of its length and
/// of its members. The SDK itself checks only the keys, and the delimiters and the lengths of the values.
///
/// Source: W3C Trace Context, section 3.3.1. The section also permits a tab between two members.
fn is_state(state: &str) -> bool {
    if state.len() > LONGEST_STATE || !state.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return false;
    }
    let mut keys = HashSet::new();
    state
        .split(',')
        .map(|member| member.trim_matches(' '))
        // A member may be empty.
        .filter(|member| !member.is_empty())
        .filter_map(|member| member.split('=').next())
        .all(|key| keys.insert(key) && keys.len() <= MOST_MEMBERS)
}

/// The largest number of members of a `tracestate`. Source: W3C Trace Context, section 3.3.1.
const MOST_MEMBERS: usize = 32;
/// The largest `tracestate` that is passed on, in bytes. Source: W3C Trace Context, section 3.3.1.5.
const LONGEST_STATE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the state of the context that is made of this `tracestate`. The context always has the parent.
    fn exported(tracestate: &str) -> String {
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let remote = RemoteSpan::read(Some(traceparent), Some(tracestate)).unwrap();
        let context = context(remote).unwrap();
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled());
        context.trace_state().header()
    }

    fn members(number: usize) -> String {
        let members: Vec<_> = (0..number).map(|at| format!("k{at}=v")).collect();
        members.join(",")
    }

    #[test]
    fn a_state_within_the_rules_is_passed_on() {
        let longest = format!("a={},b={}", "x".repeat(256), "y".repeat(251));
        assert_eq!(longest.len(), LONGEST_STATE);
        for state in [
            "",
            "rojo=1",
            "congo=t61 ~!x,rojo=00f067",
            &members(32),
            &longest,
        ] {
            assert_eq!(exported(state), state);
        }
        assert_eq!(exported(" rojo=1 , ,,congo=2"), "rojo=1,congo=2");
    }

    #[test]
    fn a_state_that_breaks_the_rules_is_left_out_and_the_parent_stays() {
        for byte in [
            '\0', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{80}', '\u{e9}', '\u{202e}',
        ] {
            for state in [format!("rojo=1{byte}2"), format!("rojo=1,congo={byte}")] {
                assert_eq!(exported(&state), "", "{state:?}");
            }
        }
        let long = format!("a={},b={}", "x".repeat(256), "y".repeat(252));
        for state in [
            "rojo=1,rojo=1",
            "rojo=1,congo=2, rojo=3",
            "rojo",
            "rojo=1,Congo=2",
            "rojo=1=2",
            &members(33),
            &long,
        ] {
            assert_eq!(exported(state), "", "{state}");
        }
    }
}
