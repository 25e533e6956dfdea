//! The log on standard error, for applications that install no `tracing` subscriber. The log follows `RUST_LOG`.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use tracing::dispatcher;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry};

use crate::audit::Recent;
use crate::http::SPANS;

use super::codes;
use super::environment::Environment;
use super::finding::{Finding, Findings};
use super::spans;

use self::recorder::Recorder;

mod recorder;

/// The parts of the server's subscriber beside the log.
#[derive(Debug, Default)]
pub(super) struct Beside<'a> {
    /// True if the last lines of requests are kept, for the explorer.
    pub(super) keeps_lines: bool,
    /// The name and the version of the server in exported spans. `None` for a server without spans.
    pub(super) service: Option<(&'a str, &'a str)>,
}

/// Writes the log to standard error, and exports spans if the environment asks for that. Returns the kept lines. If the
/// application has already installed a subscriber, that subscriber stays in place, decides about the spans, and no lines
/// are kept.
pub(super) fn subscribe(env: &Environment<'_>, beside: &Beside<'_>) -> Option<Arc<Recent>> {
    if dispatcher::has_been_set() {
        return None;
    }
    let mut layers = Vec::from_iter(beside.service.and_then(spans::layer));
    let lines = beside
        .keeps_lines
        .then(|| Arc::new(Recent::new(MOST_LINES)));
    layers.extend(lines.iter().filter_map(|lines| keeping(env, lines)));
    let installed = if layers.is_empty() {
        let log = fmt().with_env_filter(filter(env)).with_writer(io::stderr);
        log.with_ansi(io::stderr().is_terminal()).try_init().is_ok()
    } else {
        // Each layer has its own filter, so the filter of the log decides only about the log.
        let log = fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        layers.push(log.with_filter(filter(env)).boxed());
        registry().with(layers).try_init().is_ok()
    };
    if installed {
        log_mistake(env);
    }
    lines.filter(|_| installed)
}

/// A part of the server's subscriber.
pub(super) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Returns a layer that keeps the lines of the log. Only the explorer's own spans are not in the log.
fn keeping(env: &Environment<'_>, lines: &Arc<Recent>) -> Option<BoxedLayer> {
    let spans = format!("{SPANS}=trace").parse().ok()?;
    let filter = filter(env).add_directive(spans);
    Some(Recorder::new(Arc::clone(lines)).with_filter(filter).boxed())
}

fn log_mistake(env: &Environment<'_>) {
    if let Some(mistake) = mistake(env) {
        let mut findings = Findings::default();
        findings.push(mistake);
        findings.log(&[]);
    }
}

/// Returns the filter that `RUST_LOG` sets, without [`UNTHROTTLED`]. If the variable is malformed, returns the default
/// filter, so that the server still starts.
fn filter(env: &Environment<'_>) -> EnvFilter {
    let set = env.get("RUST_LOG");
    let set = set.filter(|directives| wrong(directives).is_none());
    let directives = set.as_deref().unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    UNTHROTTLED
        .iter()
        .filter(|target| !names(directives, target))
        .filter_map(|target| format!("{target}=off").parse().ok())
        .fold(filter, EnvFilter::add_directive)
}

/// Returns true if a directive sets the level of this target.
fn names(directives: &str, target: &str) -> bool {
    let mut all = directives.split(',').map(str::trim);
    all.any(|directive| directive.split(['=', '[']).next() == Some(target))
}

/// Returns the directive that is invalid, or that has a misspelt level. `EnvFilter` reads a
/// misspelt level as the name of a crate, and would then drop all log lines of mcp-auth.
fn wrong(directives: &str) -> Option<&str> {
    if EnvFilter::try_new(directives).is_err() {
        let mut all = directives.split(',');
        let one = all.find(|directive| EnvFilter::try_new(directive).is_err());
        // No part alone is invalid, because the fields of a span may contain commas too.
        return Some(one.unwrap_or(directives));
    }
    let mut all = directives.split(',').map(str::trim);
    let is_level = |text: &str| text.parse::<LevelFilter>().is_ok();
    let reaches_us = |directive: &str| {
        let target = directive.split(['=', '[']).next().unwrap_or_default();
        is_level(directive) || (!target.is_empty() && "mcp_auth".starts_with(target))
    };
    if all.clone().any(reaches_us) {
        return None;
    }
    all.find(|directive| !directive.contains(['=', '[']))
}

/// The mistake in `RUST_LOG`, if there is one.
pub(super) fn mistake(env: &Environment<'_>) -> Option<Finding> {
    let directives = env.get("RUST_LOG")?;
    let wrong = wrong(&directives)?;
    let what = format!("RUST_LOG has {wrong:?}, which is not a valid directive");
    let remedy = "write directives like `info,mcp_auth=debug`, with the levels `off`, `error`, `warn`, `info`, \
                  `debug` and `trace`";
    Some(Finding::new(&codes::LOG_FILTER_INVALID, what).remedy_is(remedy))
}

/// The start-up lines of actix only repeat the printed report.
const DEFAULT: &str = "info,actix_server=warn";
/// Crates that write a line for each malformed request or frame, with its text, so that strangers could fill the log. Their
/// lines are logged only if `RUST_LOG` names the crate.
const UNTHROTTLED: [&str; 2] = ["actix_http", "h2"];
/// The largest number of lines that the explorer can show.
const MOST_LINES: usize = 1_000;

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn parsed(directives: &str) -> (String, Option<String>) {
        let env = |_: &str| Some(directives.to_owned());
        let env = Environment::of(&env);
        let mistake = mistake(&env).map(|finding| finding.what().to_owned());
        (filter(&env).to_string(), mistake)
    }

    #[test]
    fn a_malformed_directive_is_named_and_the_log_is_the_default() {
        for (directives, wrong) in [
            ("mcp_auth=debgu", "mcp_auth=debgu"),
            ("info,mcp_auth=debug=x,hyper=warn", "mcp_auth=debug=x"),
            ("verbose", "verbose"),
            ("mcp_auth:debug", "mcp_auth:debug"),
            ("hyper=warn,my_app", "my_app"),
            ("mcp_auth=\u{1b}[2K", "mcp_auth=\\u{1b}[2K"),
        ] {
            let (filter, mistake) = parsed(directives);
            let expected = format!("RUST_LOG has \"{wrong}\", which is not a valid directive");
            assert_eq!(mistake, Some(expected));
            assert_eq!(filter, parsed(DEFAULT).0);
        }
    }

    #[test]
    fn crates_that_strangers_make_write_are_logged_only_if_they_are_named() {
        let logged = |directives: &str| {
            let env = |_: &str| Some(directives.to_owned());
            let subscriber = registry().with(filter(&Environment::of(&env)));
            tracing::subscriber::with_default(subscriber, || {
                [
                    tracing::enabled!(target: "actix_http::h1::dispatcher", Level::ERROR),
                    tracing::enabled!(target: "h2::proto::ping_pong", Level::WARN),
                    tracing::enabled!(target: "h2::server", Level::DEBUG),
                    tracing::enabled!(target: "mcp_auth", Level::INFO),
                ]
            })
        };
        for (directives, expected) in [
            (DEFAULT, [false, false, false, true]),
            ("info", [false, false, false, true]),
            ("trace", [false, false, false, true]),
            ("info,h2=debug", [false, true, true, true]),
            ("info,h2::server=debug", [false, false, true, true]),
            ("actix_http=error,info", [true, false, false, true]),
        ] {
            assert_eq!(logged(directives), expected, "{directives}");
        }
    }

    #[test]
    fn valid_directives_are_used_unchanged() {
        let (filter, mistake) = parsed("warn");
        assert!(filter.contains("warn"), "{filter}");
        assert_eq!(mistake, None);
        for kept in [
            "off",
            "my_app=debug",
            "mcp_auth",
            "my_app,info",
            "mcp_auth[call]=trace",
        ] {
            assert_eq!(parsed(kept).1, None, "{kept}");
        }
        let (filter, mistake) = parsed("info,mcp_auth=debug");
        assert!(filter.contains("mcp_auth=debug"), "{filter}");
        assert_eq!(mistake, None);
        assert_eq!(parsed(" "), parsed(DEFAULT));
    }
}
