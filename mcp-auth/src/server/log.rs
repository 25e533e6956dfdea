//! The log on standard error, for applications that install no `tracing` subscriber. The log follows `RUST_LOG`.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::audit::Recent;
use crate::http::SPANS;

use super::codes;
use super::environment::Environment;
use super::finding::{Finding, Findings};

use self::recorder::Recorder;

mod recorder;

/// Writes the log to standard error. If the application has already installed a subscriber,
/// that subscriber stays in place.
pub(super) fn write_to_stderr(env: &Environment<'_>) {
    let installed = fmt()
        .with_env_filter(filter(env))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
    if installed.is_ok() {
        log_mistake(env);
    }
}

/// Writes the log to standard error, and keeps the last lines of requests that the explorer shows. `None` if the
/// application has already installed a subscriber, which then stays in place.
pub(super) fn write_to_stderr_and_keep(env: &Environment<'_>) -> Option<Arc<Recent>> {
    let lines = Arc::new(Recent::new(MOST_LINES));
    let written = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // The lines are the lines of the log. Only the explorer's own spans are not in the log.
    let spans = format!("{SPANS}=trace").parse().ok()?;
    let kept = Recorder::new(Arc::clone(&lines)).with_filter(filter(env).add_directive(spans));
    let all = registry().with(written.with_filter(filter(env))).with(kept);
    all.try_init().ok()?;
    log_mistake(env);
    Some(lines)
}

fn log_mistake(env: &Environment<'_>) {
    if let Some(mistake) = mistake(env) {
        let mut findings = Findings::default();
        findings.push(mistake);
        findings.log(&[]);
    }
}

/// Returns the filter that `RUST_LOG` sets. If the variable is malformed, returns the default filter, so that the
/// server still starts.
fn filter(env: &Environment<'_>) -> EnvFilter {
    let set = env.get("RUST_LOG");
    let set = set.filter(|directives| wrong(directives).is_none());
    set.and_then(|directives| EnvFilter::try_new(directives).ok())
        .unwrap_or_else(|| EnvFilter::new(DEFAULT))
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
/// The largest number of lines that the explorer can show.
const MOST_LINES: usize = 1_000;

#[cfg(test)]
mod tests {
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
            assert_eq!(filter, EnvFilter::new(DEFAULT).to_string());
        }
    }

    #[test]
    fn valid_directives_are_used_unchanged() {
        assert_eq!(parsed("warn"), ("warn".to_owned(), None));
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
        assert_eq!(parsed(" "), (EnvFilter::new(DEFAULT).to_string(), None));
    }
}
