//! The filter of the log, for applications that install no `tracing` subscriber.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::codes;
use super::environment::Environment;
use super::finding::Finding;

/// Returns the filter that `RUST_LOG` sets. If the variable is malformed, returns the default filter, so that the
/// server still starts.
pub(super) fn filter(env: &Environment<'_>) -> EnvFilter {
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
