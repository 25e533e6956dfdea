//! The settings of the export, from the variables that OpenTelemetry standardises. A value that the export does not
//! honour is a [`Problem`], which the server reports as a finding.
//!
//! INVARIANT: a problem never contains a value, because `OTEL_EXPORTER_OTLP_HEADERS` and the URL of a collector may have
//! secrets.
//!
//! Source: OpenTelemetry specification, "Environment Variable Specification" and "OpenTelemetry Protocol Exporter".

use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::sampling::Rule;

/// The settings of an export.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The URL to which spans are sent.
    pub(super) endpoint: Url,
    /// The longest time of one request to the collector, and the time after which a request is not sent again.
    pub(super) timeout: Duration,
    /// Which requests are exported.
    pub(super) sampling: Rule,
    /// True if a span becomes a part of its client's trace.
    pub(super) takes_parent: bool,
    /// The largest number of spans that wait.
    pub(super) queue: usize,
    /// The largest number of spans in one request to the collector.
    pub(super) batch: usize,
    /// The time after which waiting spans are sent, even if they are fewer than a batch.
    pub(super) delay: Duration,
    /// The attributes of the resource, without the attributes that the SDK adds.
    pub(super) resource: Vec<(String, String)>,
}

/// A value that the export does not honour.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// True if nothing is exported because of the problem.
    pub(crate) stops: bool,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

/// The variables of a process.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'a> {
    /// Returns the value of a variable that is set and not empty.
    pub(crate) value: &'a dyn Fn(&str) -> Option<String>,
    /// The names of all variables that are set.
    pub(crate) names: &'a [String],
}

impl Settings {
    /// Reads the variables. `None` if nothing is exported. `service` is the name and the version of the server, if they are
    /// known.
    pub(crate) fn read(
        variables: Variables<'_>,
        service: Option<(&str, &str)>,
    ) -> (Option<Self>, Vec<Problem>) {
        let mut reader = Reader {
            variables,
            problems: Vec::new(),
        };
        if reader.is_disabled() || !reader.is_wanted() {
            return (None, reader.problems);
        }
        let endpoint = reader.endpoint();
        reader.protocol();
        reader.compression();
        reader.headers();
        reader.unknown();
        let queue = reader.count("OTEL_BSP_MAX_QUEUE_SIZE", 2048).max(1);
        let batch = reader.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512).max(1);
        let timeout = reader.milliseconds(&TIMEOUTS, 10_000);
        let longest = reader.milliseconds(&["OTEL_BSP_EXPORT_TIMEOUT"], 30_000);
        let delay = reader.milliseconds(&["OTEL_BSP_SCHEDULE_DELAY"], 5_000);
        let sampling = reader.sampling();
        let takes_parent = reader.takes_parent();
        let resource = reader.resource(service);
        let stopped = reader.problems.iter().any(|problem| problem.stops);
        let settings = endpoint.filter(|_| !stopped).map(|endpoint| Self {
            endpoint,
            timeout: timeout.min(longest),
            sampling,
            takes_parent,
            queue: queue.min(MOST_QUEUED),
            batch: batch.min(queue).min(MOST_QUEUED),
            delay,
            resource,
        });
        (settings, reader.problems)
    }
}

struct Reader<'a> {
    variables: Variables<'a>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.variables.value)(name)
    }

    /// Returns the first of these variables that is set, with its name.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    fn ignored(&mut self, what: String, remedy: &str) {
        self.problem(false, what, remedy);
    }

    fn stops(&mut self, what: String, remedy: &str) {
        self.problem(true, what, remedy);
    }

    fn problem(&mut self, stops: bool, what: String, remedy: &str) {
        self.problems.push(Problem {
            stops,
            what,
            remedy: remedy.to_owned(),
        });
    }

    fn is_disabled(&mut self) -> bool {
        let Some(value) = self.get("OTEL_SDK_DISABLED") else {
            return false;
        };
        if value.eq_ignore_ascii_case("true") {
            return true;
        }
        if !value.eq_ignore_ascii_case("false") {
            let what = "OTEL_SDK_DISABLED is neither `true` nor `false`, so it counts as `false`";
            self.ignored(what.to_owned(), "set it to `true` or `false`");
        }
        false
    }

    /// Returns true if the variables ask for an export.
    fn is_wanted(&mut self) -> bool {
        let exporter = self.get("OTEL_TRACES_EXPORTER");
        match exporter.as_deref() {
            Some("otlp") => true,
            Some("none") => false,
            None => self.first(&ENDPOINTS).is_some(),
            Some(_) => {
                let what = "OTEL_TRACES_EXPORTER names an exporter that the server does not have";
                self.stops(what.to_owned(), "set it to `otlp` or `none`");
                true
            }
        }
    }

    fn endpoint(&mut self) -> Option<Url> {
        let Some((name, text)) = self.first(&ENDPOINTS) else {
            return Url::parse(DEFAULT_ENDPOINT).ok();
        };
        let parsed = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.fragment().is_none()
        });
        let Some(mut url) = parsed else {
            let what = format!("{name} is not an http or https URL");
            self.stops(
                what,
                "set it to the URL of the collector, such as http://localhost:4318",
            );
            return None;
        };
        // The variable for all signals is a base URL, and the variable for traces is the whole URL.
        if name == ENDPOINT {
            let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Some(url)
    }

    fn protocol(&mut self) {
        if let Some((name, value)) = self.first(&PROTOCOLS)
            && !value.eq_ignore_ascii_case("http/protobuf")
        {
            let what =
                format!("{name} is not `http/protobuf`, the only protocol that the server speaks");
            let remedy = "set it to `http/protobuf`, and the endpoint to the HTTP port of the collector, which \
                          usually is 4318";
            self.stops(what, remedy);
        }
    }

    fn compression(&mut self) {
        if let Some((name, value)) = self.first(&COMPRESSIONS)
            && !["gzip", "none"]
                .iter()
                .any(|known| value.eq_ignore_ascii_case(known))
        {
            let what =
                format!("{name} is neither `gzip` nor `none`, so the spans are not compressed");
            self.ignored(what, "set it to `gzip` or `none`");
        }
    }

    /// Checks the headers. The exporter of OpenTelemetry reads the same variables, and leaves invalid headers out.
    fn headers(&mut self) {
        if let Some((name, value)) = self.first(&HEADERS)
            && !value.split_terminator(',').all(is_header)
        {
            let what =
                format!("{name} has an entry that is not a header, and the entry is not sent");
            self.ignored(what, "write `name=value`, with commas between the headers, and encode the values as in a URL");
        }
    }

    fn sampling(&mut self) -> Rule {
        let name = self.get("OTEL_TRACES_SAMPLER");
        let name = name.as_deref().unwrap_or("parentbased_always_on");
        let root = name.strip_prefix("parentbased_");
        let ratio = match root.unwrap_or(name) {
            "always_on" => Some(1.0),
            "always_off" => Some(0.0),
            "traceidratio" => Some(self.ratio()),
            _ => None,
        };
        if ratio.is_none() {
            let what = "OTEL_TRACES_SAMPLER names a sampler that the server does not have, so \
                        `parentbased_always_on` is used";
            let remedy = "set it to `always_on`, `always_off`, `traceidratio`, or one of them after `parentbased_`";
            self.ignored(what.to_owned(), remedy);
        }
        Rule {
            ratio: ratio.unwrap_or(1.0),
            follows_client: root.is_some() || ratio.is_none(),
        }
    }

    fn ratio(&mut self) -> f64 {
        let Some(text) = self.get("OTEL_TRACES_SAMPLER_ARG") else {
            return 1.0;
        };
        let ratio = text.parse().ok();
        ratio.filter(|ratio| (0.0..=1.0).contains(ratio)).unwrap_or_else(|| {
            let what = "OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1, so every trace is exported";
            self.ignored(what.to_owned(), "set it to the share of the traces to export, such as 0.1");
            1.0
        })
    }

    fn takes_parent(&mut self) -> bool {
        let Some(value) = self.get("OTEL_PROPAGATORS") else {
            return true;
        };
        let names: Vec<_> = value.split(',').map(str::trim).collect();
        if names
            .iter()
            .any(|name| !["tracecontext", "baggage", "none", ""].contains(name))
        {
            let what = "OTEL_PROPAGATORS names a propagator that the server does not have";
            self.ignored(
                what.to_owned(),
                "the server reads W3C Trace Context only: set it to `tracecontext` or `none`",
            );
        }
        names.contains(&"tracecontext")
    }

    fn count(&mut self, name: &'static str, default: usize) -> usize {
        let Some(text) = self.get(name) else {
            return default;
        };
        let count = text.parse().ok().filter(|count| *count > 0);
        count.unwrap_or_else(|| {
            let what = format!("{name} is not a number above 0, so {default} is used");
            self.ignored(what, "set it to a number, or unset it");
            default
        })
    }

    fn milliseconds(&mut self, names: &[&'static str], default: u64) -> Duration {
        let Some((name, text)) = self.first(names) else {
            return Duration::from_millis(default);
        };
        let time = text
            .parse()
            .ok()
            .filter(|time| (1..=LONGEST_MS).contains(time));
        Duration::from_millis(time.unwrap_or_else(|| {
            let what = format!(
                "{name} is not a number of milliseconds up to an hour, so {default} is used"
            );
            self.ignored(what, "set it to a number above 0, or unset it");
            default
        }))
    }

    fn resource(&mut self, service: Option<(&str, &str)>) -> Vec<(String, String)> {
        let mut resource = Vec::new();
        if let Some((name, version)) = service {
            resource.push((SERVICE_NAME.to_owned(), name.to_owned()));
            resource.push(("service.version".to_owned(), version.to_owned()));
        }
        if let Some(text) = self.get("OTEL_RESOURCE_ATTRIBUTES") {
            match attributes(&text) {
                Some(attributes) => resource.extend(attributes),
                None => {
                    let what = "OTEL_RESOURCE_ATTRIBUTES is malformed, and is ignored";
                    let remedy = "write `name=value`, with commas between the attributes, and encode the values as in a URL";
                    self.ignored(what.to_owned(), remedy);
                }
            }
        }
        if let Some(name) = self.get("OTEL_SERVICE_NAME") {
            resource.push((SERVICE_NAME.to_owned(), name));
        }
        if !resource.iter().any(|(name, _)| name == SERVICE_NAME) {
            let program = std::env::current_exe().ok();
            let program = program
                .as_deref()
                .and_then(|path| path.file_name()?.to_str());
            let name = program.map_or_else(
                || "unknown_service".to_owned(),
                |program| format!("unknown_service:{program}"),
            );
            resource.push((SERVICE_NAME.to_owned(), name));
        }
        resource
    }

    /// Reports the variables about traces that the export does not honour.
    fn unknown(&mut self) {
        let is_other = |name: &&String| {
            name.starts_with("OTEL_")
                && !NAMES.contains(&name.as_str())
                && !OF_OTHERS.iter().any(|prefix| name.starts_with(prefix))
        };
        let mut names: Vec<_> = self
            .variables
            .names
            .iter()
            .filter(is_other)
            .cloned()
            .collect();
        if names.is_empty() {
            return;
        }
        names.sort_unstable();
        let what = format!("the export of spans does not read {}", names.join(", "));
        let remedy = "unset them; `docs/operate.md` lists the variables that the export reads";
        self.ignored(what, remedy);
    }
}

/// Reports whether an entry is a header, as `name=value` with an encoded value.
fn is_header(entry: &str) -> bool {
    let Some((name, value)) = entry.split_once('=') else {
        return entry.trim().is_empty();
    };
    let value = percent_decode_str(value.trim()).decode_utf8();
    let value = value.ok().filter(|value| !value.is_empty());
    HeaderName::try_from(name.trim()).is_ok()
        && value.is_some_and(|value| HeaderValue::try_from(&*value).is_ok())
}

/// Reads the attributes of a resource. `None` if one of them is malformed, because the specification then discards all.
fn attributes(text: &str) -> Option<Vec<(String, String)>> {
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let decoded = |text: &str| {
        let decoded = percent_decode_str(text.trim()).decode_utf8().ok()?;
        Some(decoded.into_owned())
    };
    entries
        .map(|entry| {
            let (name, value) = entry.split_once('=')?;
            let name = decoded(name).filter(|name| !name.is_empty())?;
            Some((name, decoded(value)?))
        })
        .collect()
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The variable for traces comes before the variable for all signals.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ENDPOINT];
const HEADERS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
];
const TIMEOUTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
const COMPRESSIONS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
];
const SERVICE_NAME: &str = "service.name";
const DEFAULT_ENDPOINT: &str = "http://localhost:4318/v1/traces";

/// All variables that the export reads.
pub(crate) const NAMES: [&str; 21] = [
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_PROPAGATORS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
];

/// The prefixes of variables about metrics and logs, and about other languages.
const OF_OTHERS: [&str; 14] = [
    "OTEL_BLRP_",
    "OTEL_DOTNET_",
    "OTEL_EXPORTER_OTLP_LOGS_",
    "OTEL_EXPORTER_OTLP_METRICS_",
    "OTEL_EXPORTER_PROMETHEUS_",
    "OTEL_GO_",
    "OTEL_INSTRUMENTATION_",
    "OTEL_JAVA",
    "OTEL_LOGRECORD_",
    "OTEL_LOGS_",
    "OTEL_METRIC",
    "OTEL_NODE_",
    "OTEL_PHP_",
    "OTEL_PYTHON_",
];

/// The largest queue, so that a collector that is down costs at most about 100 MB.
const MOST_QUEUED: usize = 65_536;
const LONGEST_MS: u64 = 60 * 60 * 1000;

#[cfg(test)]
mod tests;
