//! Metrics, probes, and how a server leaves a load balancer.

use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "metrics")]
use crate::clock::SystemClock;
#[cfg(feature = "metrics")]
use crate::guard::Denied;
#[cfg(feature = "metrics")]
use crate::identity::{Clock, TokenError};
use crate::metrics::Metrics;
#[cfg(feature = "metrics")]
use crate::metrics::{Build, Reasons};

#[cfg(not(feature = "metrics"))]
use super::super::codes;
use super::super::environment::{Environment, Variable};
use super::super::finding::{Finding, Findings};
use super::super::setting::Setting;
use super::ServerBuilder;

/// The settings of monitoring that are set in code.
#[derive(Debug, Default)]
pub(in crate::server) struct MonitoringOptions {
    metrics: Option<String>,
    probes: Option<String>,
    drain: Option<Duration>,
}

/// Metrics, probes, and how a server leaves a load balancer. `docs/operate.md` explains them.
impl ServerBuilder {
    /// Serves metrics for Prometheus at this address and port, at `/metrics`, and the probes `/healthz` and `/readyz`.
    /// Default: `MCP_METRICS`, or no metrics if that variable is unset.
    ///
    /// ```
    /// let builder = mcp_auth::server!().metrics("127.0.0.1:9464");
    /// # let _ = builder;
    /// ```
    ///
    /// # Security
    ///
    /// Everyone who can connect to the address reads the names of the tools, and the numbers of calls, denials and
    /// refused tokens. No metric names a caller, an organization or a client. If the address is not on loopback, only the
    /// monitoring system should reach it.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, address: impl Into<String>) -> Self {
        self.monitoring.metrics = Some(address.into());
        self
    }

    /// Answers the probes `/healthz` and `/readyz` also at the address of the endpoint. Default: `MCP_HEALTH=on`, or no
    /// probes there if that variable is unset or `off`.
    ///
    /// A probe needs no token and may have any `Host`. A response is a status and one word. `/healthz` answers 200
    /// while the process answers at all. `/readyz` answers 200 if the server has the issuer's keys and reaches the
    /// store of tasks, and 503 otherwise. From the moment when the server begins to stop, `/readyz` always answers 503.
    ///
    /// ```
    /// let builder = mcp_auth::server!().health_probes();
    /// # let _ = builder;
    /// ```
    pub fn health_probes(mut self) -> Self {
        self.monitoring.probes = Some("on".to_owned());
        self
    }

    /// Sets how long a server that was told to stop continues to accept connections while `/readyz` answers 503.
    /// Default: `MCP_DRAIN_SECONDS`, or no such time if that variable is unset.
    ///
    /// A load balancer needs this time to learn that the server stops, for example twice the interval of its probes. The
    /// 30 seconds for calls in flight begin after this time.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = mcp_auth::server!().drain_delay(Duration::from_secs(10));
    /// # let _ = builder;
    /// ```
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.monitoring.drain = Some(delay);
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[
    Variable::of_server("MCP_DRAIN_SECONDS"),
    Variable::of_server("MCP_HEALTH"),
    Variable::of_server("MCP_METRICS"),
];

/// The resolved settings of monitoring.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Monitoring {
    /// The address for metrics, with the setting that names it; `None` if there are no metrics.
    #[cfg(feature = "metrics")]
    pub(in crate::server) address: Option<Setting<SocketAddr>>,
    pub(in crate::server) metrics: Metrics,
    /// True if the address of the endpoint answers probes.
    pub(in crate::server) probes: bool,
    pub(in crate::server) drain: Duration,
}

impl MonitoringOptions {
    /// Resolves the settings. `server` is the name and the version of the server.
    pub(in crate::server) fn resolve(
        &self,
        env: &Environment<'_>,
        server: (&str, &str),
        findings: &mut Findings,
    ) -> Result<Monitoring, Finding> {
        let text = Setting::text(env, self.metrics.as_ref(), "metrics", "MCP_METRICS");
        let address = text.parse(|text, source| {
            let expected = "an address and a port are expected, such as `127.0.0.1:9464`";
            let address = text.parse();
            address.map_err(|_| source.invalid(&text, expected))
        })?;
        let address = address.value.map(|value| Setting {
            value,
            source: address.source,
        });
        let text = Setting::text(env, self.probes.as_ref(), "health_probes", "MCP_HEALTH");
        let probes = text.parse(|text, source| match text.as_str() {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(source.invalid(&text, "`on` or `off` is expected")),
        })?;
        let in_code = self.drain.map(|delay| delay.as_secs_f64().to_string());
        let name = "MCP_DRAIN_SECONDS";
        let drain = Setting::text(env, in_code.as_ref(), "drain_delay", name);
        let drain = drain.parse(|text, source| {
            let seconds = text.parse().ok();
            let seconds = seconds.filter(|seconds| (0.0..=LONGEST_DRAIN).contains(seconds));
            let delay = seconds.map(Duration::from_secs_f64);
            delay.ok_or_else(|| source.invalid(&text, "a number from 0 to 3600 is expected"))
        })?;
        let metrics = counting(address.as_ref(), server, findings);
        Ok(Monitoring {
            #[cfg(feature = "metrics")]
            address,
            metrics,
            probes: probes.value.unwrap_or_default(),
            drain: drain.value.unwrap_or_default(),
        })
    }
}

#[cfg(feature = "metrics")]
fn counting(
    address: Option<&Setting<SocketAddr>>,
    (name, version): (&str, &str),
    _findings: &mut Findings,
) -> Metrics {
    if address.is_none() {
        return Metrics::default();
    }
    let build = Build {
        server: name.to_owned(),
        server_version: version.to_owned(),
        started_unix_ms: SystemClock::new().unix_ms(),
    };
    let reasons = Reasons {
        denials: &Denied::KINDS,
        tokens: &TokenError::ALL.map(TokenError::reason),
    };
    Metrics::new(build, reasons)
}

#[cfg(not(feature = "metrics"))]
fn counting(
    address: Option<&Setting<SocketAddr>>,
    _server: (&str, &str),
    findings: &mut Findings,
) -> Metrics {
    if let Some(Setting { source, .. }) = address {
        let what = format!("{source} is set, but the server was built without metrics");
        let remedy = "build with the feature `metrics` of mcp-auth, or unset the variable";
        findings.push(Finding::new(&codes::METRICS_NOT_BUILT, what).remedy_is(remedy));
    }
    Metrics::default()
}

/// The longest [`drain_delay`](ServerBuilder::drain_delay) that may be set, in seconds.
const LONGEST_DRAIN: f64 = 3600.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(variables: &[(&str, &str)]) -> (Result<Monitoring, String>, Findings) {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let mut findings = Findings::default();
        let options = MonitoringOptions::default();
        let resolved = options.resolve(&Environment::of(&value), ("name", "1"), &mut findings);
        (
            resolved.map_err(|finding| finding.what().to_owned()),
            findings,
        )
    }

    #[test]
    fn without_a_setting_there_are_no_metrics_no_probes_and_no_delay() {
        let (resolved, _) = resolve(&[]);
        let resolved = resolved.unwrap();
        assert!(!resolved.metrics.is_on() && !resolved.probes);
        assert_eq!(resolved.drain, Duration::ZERO);
        let (resolved, _) = resolve(&[("MCP_HEALTH", "on"), ("MCP_DRAIN_SECONDS", "2.5")]);
        let resolved = resolved.unwrap();
        assert!(resolved.probes);
        assert_eq!(resolved.drain, Duration::from_millis(2_500));
    }

    #[test]
    fn a_malformed_value_is_named_with_its_variable() {
        for (variables, what) in [
            (
                &[("MCP_METRICS", "localhost")][..],
                "MCP_METRICS is `localhost`: an address and a port are expected, such as `127.0.0.1:9464`",
            ),
            (
                &[("MCP_HEALTH", "yes")],
                "MCP_HEALTH is `yes`: `on` or `off` is expected",
            ),
            (
                &[("MCP_DRAIN_SECONDS", "-1")],
                "MCP_DRAIN_SECONDS is `-1`: a number from 0 to 3600 is expected",
            ),
            (
                &[("MCP_DRAIN_SECONDS", "inf")],
                "MCP_DRAIN_SECONDS is `inf`: a number from 0 to 3600 is expected",
            ),
        ] {
            assert_eq!(resolve(variables).0.unwrap_err(), what);
        }
    }

    #[test]
    fn an_address_counts_or_warns_that_the_program_cannot_count() {
        let (resolved, findings) = resolve(&[("MCP_METRICS", "127.0.0.1:9464")]);
        let is_built = cfg!(feature = "metrics");
        assert_eq!(resolved.unwrap().metrics.is_on(), is_built);
        let report = findings.report(String::new(), &[]).to_string();
        assert_eq!(
            report.contains("[metrics-not-built]"),
            !is_built,
            "{report}"
        );
    }
}
