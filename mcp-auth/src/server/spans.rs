//! The export of spans, for applications that install no `tracing` subscriber; and the findings about the variables of the
//! export.

#[cfg(feature = "otel")]
use tracing_subscriber::filter::Targets;

#[cfg(feature = "otel")]
use crate::otel::{self, Problem, Settings, Variables};

#[cfg(feature = "otel")]
use super::codes;
use super::environment::{Environment, Variable};
#[cfg(feature = "otel")]
use super::finding::Finding;
use super::log::BoxedLayer;

/// The variables of the export. Without the feature `otel` they have no effect, because they are often set for a whole
/// machine.
pub(super) const VARIABLES: &[Variable] = &[
    Variable::of_server("OTEL_BSP_EXPORT_TIMEOUT"),
    Variable::of_server("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    Variable::of_server("OTEL_BSP_MAX_QUEUE_SIZE"),
    Variable::of_server("OTEL_BSP_SCHEDULE_DELAY"),
    Variable::of_server("OTEL_EXPORTER_OTLP_COMPRESSION"),
    Variable::of_server("OTEL_EXPORTER_OTLP_ENDPOINT"),
    Variable::of_server("OTEL_EXPORTER_OTLP_HEADERS"),
    Variable::of_server("OTEL_EXPORTER_OTLP_PROTOCOL"),
    Variable::of_server("OTEL_EXPORTER_OTLP_TIMEOUT"),
    Variable::of_server("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"),
    Variable::of_server("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    Variable::of_server("OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    Variable::of_server("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
    Variable::of_server("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
    Variable::of_server("OTEL_PROPAGATORS"),
    Variable::of_server("OTEL_RESOURCE_ATTRIBUTES"),
    Variable::of_server("OTEL_SDK_DISABLED"),
    Variable::of_server("OTEL_SERVICE_NAME"),
    Variable::of_server("OTEL_TRACES_EXPORTER"),
    Variable::of_server("OTEL_TRACES_SAMPLER"),
    Variable::of_server("OTEL_TRACES_SAMPLER_ARG"),
];

/// Starts the export of spans, if the environment asks for it. Returns the layer that exports. `service` is the name and
/// the version of the server.
#[cfg(feature = "otel")]
pub(super) fn layer(service: (&str, &str)) -> Option<BoxedLayer> {
    let export = otel::start(Some(service))?;
    Some(export.layer(Targets::new()))
}

#[cfg(not(feature = "otel"))]
pub(super) fn layer(_service: (&str, &str)) -> Option<BoxedLayer> {
    None
}

/// The findings about the variables of the export.
#[cfg(feature = "otel")]
pub(super) fn mistakes(env: &Environment<'_>) -> Vec<Finding> {
    let names = (env.names)();
    let variables = Variables {
        value: &|name| env.get(name),
        names: &names,
    };
    let (_, problems) = Settings::read(variables, None);
    let finding = |problem: Problem| {
        let code = match problem.stops {
            true => &codes::SPANS_NOT_EXPORTED,
            false => &codes::SPAN_SETTING_IGNORED,
        };
        Finding::new(code, problem.what).remedy_is(problem.remedy)
    };
    problems.into_iter().map(finding).collect()
}

#[cfg(not(feature = "otel"))]
pub(super) fn mistakes(_env: &Environment<'_>) -> Option<super::finding::Finding> {
    None
}

/// Exports the last spans.
pub(super) async fn flush() {
    #[cfg(feature = "otel")]
    otel::flush().await;
}

#[cfg(all(test, feature = "otel"))]
mod tests {
    use super::*;

    #[test]
    fn the_server_lists_the_variables_that_the_export_reads() {
        let listed: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
        assert_eq!(listed, otel::NAMES);
    }
}
