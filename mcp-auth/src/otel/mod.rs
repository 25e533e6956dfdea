//! Exports the spans of requests to a collector of OpenTelemetry, over OTLP.
//!
//! Variables of the environment with standard names configure the export, for example `OTEL_EXPORTER_OTLP_ENDPOINT`.
//! Without such a variable, nothing is exported. `docs/operate.md` lists the variables.
//!
//! [`serve!`](crate::serve) needs only the variables. An application with a `tracing` subscriber of its own adds
//! [`layer`] to the subscriber:
//!
//! ```no_run
//! use tracing_subscriber::layer::SubscriberExt;
//! use tracing_subscriber::util::SubscriberInitExt;
//! use tracing_subscriber::{EnvFilter, Layer};
//!
//! #[actix_web::main]
//! async fn main() -> mcp_auth::Result<()> {
//!     tracing_subscriber::registry()
//!         .with(mcp_auth::otel::layer())
//!         .with(tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("info")))
//!         .init();
//!     mcp_auth::serve!().await
//! }
//! ```
//!
//! A slow collector never delays a request: spans for which the queue has no room are dropped and counted.

mod collector;
mod losses;
mod parent;
mod pipeline;
mod sampling;
mod settings;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanLimits,
};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{Level, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use crate::traceparent::{RemoteSpan, SPANS};

use self::collector::{Collector, CollectorError};
use self::losses::Losses;
use self::pipeline::{Counted, Queue, Waiting};
use self::sampling::{Early, Exported, KeepsTo, left_out};

pub(crate) use self::losses::LOSSES;
pub(crate) use self::parent::set_parent;
#[cfg(test)]
pub(crate) use self::settings::NAMES;
pub(crate) use self::settings::{Problem, Settings, Variables};

/// Returns the layer that exports the spans of requests, with the settings of the environment. `None` if the variables
/// ask for no export, or have a mistake that prevents the export. The server reports such a mistake when it starts.
///
/// The layer exports only the spans of requests, whatever other layers and their filters do. Add the layer to a subscriber
/// without a filter of its own, because a filter of the whole subscriber may leave the spans out.
///
/// The export is the same for all calls in a process.
#[must_use = "a layer does nothing until a subscriber has it"]
pub fn layer<S>() -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    layer_with(Targets::new())
}

/// Returns the layer that exports the spans of requests, and also the spans and events of other targets. The spans of a
/// tool are children of the span of its request.
///
/// ```no_run
/// use tracing::Level;
/// use tracing_subscriber::filter::Targets;
/// use tracing_subscriber::layer::SubscriberExt;
/// use tracing_subscriber::util::SubscriberInitExt;
///
/// let own = Targets::new().with_target("documents", Level::INFO);
/// tracing_subscriber::registry().with(mcp_auth::otel::layer_with(own)).init();
/// ```
///
/// # Security
///
/// The attribute `#[tracing::instrument]` adds the arguments of a function to its span, so this layer would export them.
/// Leave arguments with personal data out with `skip`.
#[must_use = "a layer does nothing until a subscriber has it"]
pub fn layer_with<S>(others: Targets) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    start(None).map(|export| export.layer(others))
}

/// Exports the spans that ended so far. Waits at most 5 s. Does nothing if there is no export.
///
/// [`serve!`](crate::serve) and [`RunningServer::stop`](crate::RunningServer::stop) export the last spans themselves. An
/// application that mounts a [`Server`](crate::Server) calls this function before it ends.
pub async fn flush() {
    if let Some(export) = started() {
        export.flush().await;
    }
}

/// Starts the export of this process, unless it was started before. `service` is the name and the version of the server.
pub(crate) fn start(service: Option<(&str, &str)>) -> Option<&'static Export> {
    let export = EXPORT.get_or_init(|| {
        let value = |name: &str| {
            let value = std::env::var(name).ok()?;
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let variables = Variables {
            value: &value,
            names: &[],
        };
        let (settings, _) = Settings::read(variables, service);
        Export::of(&settings?)
            .map_err(|error| {
                let why: &dyn std::error::Error = &error;
                let source = why.source().map(ToString::to_string);
                tracing::error!(target: "mcp_auth", source, "no span is exported: {error}");
            })
            .ok()
    });
    export.as_ref()
}

/// Returns the export of this process, if it was started.
pub(crate) fn started() -> Option<&'static Export> {
    EXPORT.get()?.as_ref()
}

/// Makes the span of a request, and leaves it out of the export if the settings or the client ask for that. `client` is the
/// client's span, as the headers of the request write it. Returns true if the span was left out.
pub(crate) fn begin(client: Option<RemoteSpan<'_>>, make: impl FnOnce() -> Span) -> (Span, bool) {
    let is_left_out = started().is_some_and(|export| {
        let client = client.filter(|_| export.takes_parent);
        export.early.leaves_out(client)
    });
    match is_left_out {
        true => (left_out(make), true),
        false => (make(), false),
    }
}

/// Returns true if the span of a request that was left out is exported after all. `client` is the client's span, as the
/// message of the request writes it.
pub(crate) fn takes_in(client: RemoteSpan<'_>) -> bool {
    started().is_some_and(|export| export.takes_parent && export.early.takes_in(client))
}

/// The export of spans to one collector.
#[derive(Debug)]
pub(crate) struct Export {
    provider: SdkTracerProvider,
    early: Arc<Early>,
    waiting: Arc<Waiting>,
    losses: Arc<Losses>,
    takes_parent: bool,
    /// The scheme, the host and the port of the collector. The rest of the URL may have a secret.
    collector: String,
}

/// The reason why there is no export.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("the client for the collector cannot be created")]
    Client(#[from] CollectorError),
    #[error("the exporter cannot be created")]
    Exporter(#[from] ExporterBuildError),
}

impl Export {
    fn of(settings: &Settings) -> Result<Self, ExportError> {
        let losses = Arc::new(Losses::new());
        let waiting = Arc::new(Waiting::at_most(settings.queue));
        let claimed = Arc::clone(&losses.claimed);
        let collector = Collector::new(&settings.endpoint, settings.timeout, claimed)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(without_credentials(&settings.endpoint))
            .with_timeout(settings.timeout)
            .with_http_client(collector)
            .build()?;
        let exporter = Counted {
            inner: exporter,
            waiting: Arc::clone(&waiting),
            losses: Arc::clone(&losses),
        };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(settings.queue)
            .with_max_export_batch_size(settings.batch)
            .with_scheduled_delay(settings.delay)
            .build();
        let queue = Queue {
            inner: BatchSpanProcessor::new(exporter, batches),
            waiting: Arc::clone(&waiting),
            losses: Arc::clone(&losses),
        };
        let attributes = settings.resource.iter().cloned();
        let attributes = attributes.map(|(name, value)| opentelemetry::KeyValue::new(name, value));
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(attributes)
            .build();
        let early = Arc::new(Early::new(settings.sampling));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(KeepsTo::new(&early))
            // Without these limits, the SDK would read further variables.
            .with_span_limits(SpanLimits::default())
            .with_span_processor(queue)
            .build();
        Ok(Self {
            provider,
            early,
            waiting,
            losses,
            takes_parent: settings.takes_parent,
            collector: origin(&settings.endpoint),
        })
    }

    /// Returns the layer that exports the spans of requests, and the spans and events of other targets.
    pub(crate) fn layer<S>(&self, others: Targets) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        if others.iter().next().is_some() || others.default_level().is_some() {
            self.early.switch_off();
        }
        let scope = InstrumentationScope::builder("mcp-auth");
        let scope = scope.with_version(env!("CARGO_PKG_VERSION")).build();
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer_with_scope(scope))
            // The context of the client is known only after the body was read, in which the message is. Until then the
            // span of the request must not begin in the SDK.
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_filter(Exported(others.with_target(SPANS, Level::TRACE)))
            .boxed()
    }

    /// Returns the number of spans that were lost for a reason of [`LOSSES`].
    pub(crate) fn lost(&self, reason: &str) -> u64 {
        let by_reason = self.losses.by_reason();
        let found = by_reason.iter().find(|(known, _)| *known == reason);
        found.map_or(0, |(_, spans)| *spans)
    }

    /// Returns the scheme, the host and the port of the collector.
    pub(crate) fn collector(&self) -> &str {
        &self.collector
    }

    async fn flush(&self) {
        let provider = self.provider.clone();
        let flushed = timeout(
            LONGEST_FLUSH,
            spawn_blocking(move || provider.force_flush()),
        );
        let is_flushed = matches!(flushed.await, Ok(Ok(Ok(()))));
        let spans = self.waiting.spans();
        if spans > 0 && !is_flushed {
            tracing::warn!(
                target: "mcp_auth",
                spans,
                fact = "spans_lost",
                "the collector did not take the last spans in time"
            );
        }
    }
}

/// Returns a URL without its user name and its password, which the client sends in a header.
fn without_credentials(endpoint: &Url) -> String {
    let mut endpoint = endpoint.clone();
    // An http URL can be without both.
    let _ = endpoint.set_username("");
    let _ = endpoint.set_password(None);
    endpoint.into()
}

/// Returns the scheme, the host and the port of a URL.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

static EXPORT: OnceLock<Option<Export>> = OnceLock::new();
const LONGEST_FLUSH: Duration = Duration::from_secs(5);
