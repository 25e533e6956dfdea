//! The decision at the beginning of a request whether its span is exported. A span that is not exported is not made, so it
//! costs nothing.
//!
//! The SDK would decide only after the span has got its fields, which is most of the work.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Span};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{self, Filter};

use crate::traceparent::{RemoteSpan, SPANS};

/// Which requests are exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    /// The share of the requests without a trace of their client that are exported, from 0 to 1.
    pub(super) ratio: f64,
    /// True if the client of a trace decides.
    pub(super) follows_client: bool,
}

/// Decides about the requests of a process.
#[derive(Debug)]
pub(super) struct Early {
    rule: Rule,
    /// False if spans of other targets are exported too. Such a span can be a child of the span of a request, so the SDK
    /// must know both.
    is_on: AtomicBool,
    keys: RandomState,
    requests: AtomicU64,
}

impl Rule {
    /// Returns the sampler of the SDK with this rule.
    fn sampler(self) -> Sampler {
        let root = match self.ratio {
            ratio if ratio >= 1.0 => Sampler::AlwaysOn,
            ratio if ratio <= 0.0 => Sampler::AlwaysOff,
            ratio => Sampler::TraceIdRatioBased(ratio),
        };
        match self.follows_client {
            true => Sampler::ParentBased(Box::new(root)),
            false => root,
        }
    }
}

impl Early {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            is_on: AtomicBool::new(true),
            keys: RandomState::new(),
            requests: AtomicU64::new(0),
        }
    }

    /// Leaves all decisions to the SDK.
    pub(super) fn switch_off(&self) {
        self.is_on.store(false, Ordering::Release);
    }

    fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Returns true if the span of a request is not exported. `client` is the client's span, as the headers of the request
    /// write it.
    pub(super) fn leaves_out(&self, client: Option<RemoteSpan<'_>>) -> bool {
        let Rule {
            ratio,
            follows_client,
        } = self.rule;
        self.is_on()
            && match client {
                Some(client) if follows_client => !client.traceparent.is_sampled(),
                // The SDK decides by the trace id.
                Some(_) if ratio > 0.0 => false,
                Some(_) | None => !self.hits(ratio),
            }
    }

    /// Returns true if the span of a request that was left out is exported after all. `client` is the client's span, as the
    /// message of the request writes it.
    pub(super) fn takes_in(&self, client: RemoteSpan<'_>) -> bool {
        let Rule {
            ratio,
            follows_client,
        } = self.rule;
        self.is_on()
            && match follows_client {
                true => client.traceparent.is_sampled(),
                false => ratio > 0.0,
            }
    }

    /// Returns true for this share of all calls, at random.
    fn hits(&self, ratio: f64) -> bool {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        // A number below 2^53 is exact as `f64`.
        let random = self.keys.hash_one(request) >> 11;
        let share = random as f64 / (1_u64 << 53) as f64;
        share < ratio
    }
}

/// The sampler of the SDK, which keeps to decisions that were made early.
#[derive(Clone, Debug)]
pub(super) struct KeepsTo {
    early: Arc<Early>,
    sampler: Sampler,
}

impl KeepsTo {
    pub(super) fn new(early: &Arc<Early>) -> Self {
        Self {
            early: Arc::clone(early),
            sampler: early.rule.sampler(),
        }
    }
}

impl ShouldSample for KeepsTo {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let has_parent = parent.is_some_and(|parent| parent.span().span_context().is_valid());
        if !has_parent && self.early.is_on() {
            return SamplingResult {
                decision: SamplingDecision::RecordAndSample,
                attributes: Vec::new(),
                trace_state: Default::default(),
            };
        }
        let Self { sampler, .. } = self;
        sampler.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

/// The filter of the layer that exports spans.
#[derive(Debug)]
pub(super) struct Exported(pub(super) Targets);

impl<S> Filter<S> for Exported {
    fn enabled(&self, metadata: &Metadata<'_>, context: &layer::Context<'_, S>) -> bool {
        match metadata.target() {
            SPANS if LEFT_OUT.get() => false,
            BESIDE => false,
            _ => Filter::<S>::enabled(&self.0, metadata, context),
        }
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.target() {
            SPANS => Interest::sometimes(),
            BESIDE => Interest::never(),
            _ => Filter::<S>::callsite_enabled(&self.0, metadata),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.0)
    }
}

/// Makes a span for the layers beside the export. Returns a disabled span if no such layer is interested.
pub(super) fn left_out(make: impl FnOnce() -> Span) -> Span {
    // The registry would make the span even if the filters of all layers refuse it.
    if !tracing::span_enabled!(target: BESIDE, Level::TRACE) {
        return Span::none();
    }
    LEFT_OUT.set(true);
    let span = make();
    LEFT_OUT.set(false);
    span
}

/// A target that the layer of the export never gets. A filter that lets [`SPANS`] pass lets this target pass too, because
/// [`SPANS`] is its beginning.
const BESIDE: &str = "mcp_auth::spans::beside";

thread_local! {
    /// True while this thread makes the span of a request that is not exported.
    static LEFT_OUT: Cell<bool> = const { Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const NOT_SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn early(ratio: f64, follows_client: bool) -> Early {
        Early::new(Rule {
            ratio,
            follows_client,
        })
    }

    #[test]
    fn the_client_decides_or_the_ratio() {
        let client = |text| RemoteSpan::read(Some(text), None);
        for (ratio, follows_client, parent, is_left_out) in [
            (0.0, true, None, true),
            (0.0, true, client(SAMPLED), false),
            (0.0, true, client(NOT_SAMPLED), true),
            (1.0, true, None, false),
            (1.0, true, client(NOT_SAMPLED), true),
            (0.0, false, None, true),
            (0.0, false, client(SAMPLED), true),
            (0.5, false, client(NOT_SAMPLED), false),
            (1.0, false, None, false),
        ] {
            let early = early(ratio, follows_client);
            let case = (ratio, follows_client, parent);
            assert_eq!(early.leaves_out(parent), is_left_out, "{case:?}");
            early.switch_off();
            assert!(!early.leaves_out(parent), "{case:?}");
        }
    }

    #[test]
    fn the_span_of_a_message_takes_a_request_in() {
        let client = |text| RemoteSpan::read(Some(text), None).unwrap();
        for (ratio, follows_client, parent, is_taken_in) in [
            (0.0, true, SAMPLED, true),
            (1.0, true, NOT_SAMPLED, false),
            (0.0, false, SAMPLED, false),
            (0.5, false, NOT_SAMPLED, true),
        ] {
            let early = early(ratio, follows_client);
            assert_eq!(early.takes_in(client(parent)), is_taken_in, "{parent}");
            early.switch_off();
            assert!(!early.takes_in(client(parent)));
        }
    }

    /// Runs in a process of its own, because the subscribers of other tests would be interested in the span.
    #[test]
    fn a_span_that_is_left_out_is_made_only_for_a_layer_beside_the_export() {
        const NAME: &str = "otel::sampling::tests::a_span_that_is_left_out_is_made_only_for_a_layer_beside_the_export";
        const IN_CHILD: &str = "MCP_AUTH_TEST_IN_CHILD";

        if std::env::var_os(IN_CHILD).is_some() {
            return left_out_spans_are_made_only_for_a_layer_beside_the_export();
        }
        let program = std::env::current_exe().unwrap();
        let child = std::process::Command::new(program)
            .args(["--exact", NAME])
            .env(IN_CHILD, "1")
            .output()
            .unwrap();
        let output = String::from_utf8(child.stdout).unwrap();
        assert!(output.contains("1 passed; 0 failed"), "{output}");
    }

    fn left_out_spans_are_made_only_for_a_layer_beside_the_export() {
        use tracing_subscriber::layer::{Layer, SubscriberExt};
        use tracing_subscriber::{EnvFilter, fmt, registry};

        let exported = || Exported(Targets::new().with_target(SPANS, Level::TRACE));
        for (log, is_made) in [("info", false), ("info,mcp_auth::spans=trace", true)] {
            let subscriber = registry()
                .with(fmt::layer().with_filter(exported()))
                .with(fmt::layer().with_filter(EnvFilter::new(log)));
            tracing::subscriber::with_default(subscriber, || {
                let make = || tracing::trace_span!(target: SPANS, "request");
                assert_eq!(!left_out(make).is_disabled(), is_made, "{log}");
                assert!(!make().is_disabled(), "{log}");
            });
        }
    }

    #[test]
    fn the_share_of_exported_requests_is_near_the_ratio() {
        let early = early(0.25, true);
        let exported = (0..10_000).filter(|_| !early.leaves_out(None)).count();
        // A fair choice is outside these bounds once in 10^30 runs.
        assert!((2_000..3_000).contains(&exported), "{exported}");
    }
}
