//! Keeps the log lines of requests that have a trace id, for the explorer.

use std::fmt;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::audit::Recent;
use crate::http::SPANS;

/// A layer that keeps each event inside a span of the explorer as a line of text.
#[derive(Debug)]
pub(super) struct Recorder {
    lines: Arc<Recent>,
}

/// The trace id of a span of the explorer.
#[derive(Clone, Default)]
struct TraceId(String);

impl Recorder {
    pub(super) fn new(lines: Arc<Recent>) -> Self {
        Self { lines }
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() != SPANS {
            return;
        }
        let mut trace_id = TraceId::default();
        attributes.record(&mut trace_id);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(trace_id);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut spans = context.event_scope(event).into_iter().flatten();
        let trace_id = spans.find_map(|span| span.extensions().get::<TraceId>().cloned());
        let Some(TraceId(trace_id)) = trace_id else {
            return;
        };
        let metadata = event.metadata();
        let mut line = format!("{} {}: ", metadata.level(), metadata.target());
        let fields = DefaultFields::new();
        if fields.format_fields(Writer::new(&mut line), event).is_err() {
            return;
        }
        if line.len() > LONGEST_LINE {
            line.truncate(line.floor_char_boundary(LONGEST_LINE));
            line.push('…');
        }
        self.lines.push(&trace_id, line);
    }
}

impl Visit for TraceId {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "trace_id" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// The longest line, in bytes.
const LONGEST_LINE: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{EnvFilter, registry};

    use super::*;

    fn lines(filter: &str, write: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Recent::new(10));
        let filter =
            EnvFilter::new(filter).add_directive(format!("{SPANS}=trace").parse().unwrap());
        let recorder = Recorder::new(Arc::clone(&lines)).with_filter(filter);
        with_default(registry().with(recorder), || {
            let trace_id = "ab";
            let span = tracing::trace_span!(target: SPANS, "explored", trace_id);
            span.in_scope(write);
            tracing::info!("outside of the span");
        });
        assert!(lines.of("").is_empty());
        lines.of("ab")
    }

    #[test]
    fn lines_inside_the_span_are_kept_as_the_log_writes_them() {
        let kept = lines("info", || {
            tracing::info!(target: "mcp_auth", tool = "t", missing = None::<&str>, "denied");
            tracing::debug!(target: "mcp_auth", "allowed");
            let inner = tracing::info_span!("inner");
            inner.in_scope(|| tracing::warn!(target: "app", number = 7));
        });
        assert_eq!(
            kept,
            [r#"INFO mcp_auth: denied tool="t""#, "WARN app: number=7"]
        );
        assert!(lines("off", || tracing::error!("lost")).is_empty());
    }

    #[test]
    fn a_long_line_is_cut() {
        let kept = lines("info", || tracing::info!("{}", "ä".repeat(LONGEST_LINE)));
        assert!(
            kept[0].len() <= LONGEST_LINE + '…'.len_utf8(),
            "{}",
            kept[0].len()
        );
        assert!(kept[0].ends_with('…'));
    }
}
