//! What is logged where the application has no subscriber of its own.

use tracing_subscriber::EnvFilter;

use super::check::Finding;
use super::environment::Environment;

/// The filter that `RUST_LOG` sets. One that cannot be read counts as unset: a slip in it is no reason not
/// to serve.
pub(super) fn filter(env: &Environment<'_>) -> EnvFilter {
    let set = env.get("RUST_LOG");
    set.and_then(|directives| EnvFilter::try_new(directives).ok())
        .unwrap_or_else(|| EnvFilter::new(DEFAULT))
}

/// What is wrong with `RUST_LOG`.
pub(super) fn mistake(env: &Environment<'_>) -> Option<Finding> {
    let directives = env.get("RUST_LOG")?;
    EnvFilter::try_new(&directives).err()?;
    let one = directives
        .split(',')
        .find(|directive| EnvFilter::try_new(directive).is_err());
    // Fields of a span hold commas as well.
    let wrong = one.unwrap_or(&directives);
    Some(Finding::warning(
        format!("RUST_LOG has {wrong:?}, which is no directive"),
        "nothing of the variable is used: the log is at `info`",
        "write directives like `info,mcp_auth=debug`, with the levels `off`, `error`, `warn`, `info`, \
         `debug` and `trace`",
    ))
}

/// actix's own start-up lines repeat what is printed.
const DEFAULT: &str = "info,actix_server=warn";

#[cfg(test)]
mod tests {
    use super::*;

    fn said(directives: &str) -> (String, Option<String>) {
        let env = |_: &str| Some(directives.to_owned());
        let env = Environment::of(&env);
        let mistake = mistake(&env).map(|finding| finding.what().to_owned());
        (filter(&env).to_string(), mistake)
    }

    #[test]
    fn a_directive_that_is_none_is_named_and_the_log_is_the_default() {
        for (directives, wrong) in [
            ("mcp_auth=debgu", "mcp_auth=debgu"),
            ("info,mcp_auth=debug=x,hyper=warn", "mcp_auth=debug=x"),
            ("mcp_auth=\u{1b}[2K", "mcp_auth=\\u{1b}[2K"),
        ] {
            let (filter, mistake) = said(directives);
            let expected = format!("RUST_LOG has \"{wrong}\", which is no directive");
            assert_eq!(mistake, Some(expected));
            assert_eq!(filter, EnvFilter::new(DEFAULT).to_string());
        }
    }

    #[test]
    fn directives_are_used_as_they_are() {
        assert_eq!(said("warn"), ("warn".to_owned(), None));
        let (filter, mistake) = said("info,mcp_auth=debug");
        assert!(filter.contains("mcp_auth=debug"), "{filter}");
        assert_eq!(mistake, None);
        assert_eq!(said(" "), (EnvFilter::new(DEFAULT).to_string(), None));
    }
}
