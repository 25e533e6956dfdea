//! The environment variables that the server reads, and the check for misspelt names of variables.

use super::builder::variables;
use super::codes;
use super::environment::{Environment, Variable};
use super::explain;
use super::finding::Finding;
use super::setting::Source;
use super::spans;

impl Environment<'static> {
    /// The environment of the process. A variable that is not Unicode counts as unset.
    pub(super) fn process() -> Self {
        Self {
            value: &|name| std::env::var(name).ok(),
            is_listed,
            names: || {
                let names = std::env::vars_os().map(|(name, _)| name.into_string());
                names.filter_map(Result::ok).collect()
            },
        }
    }
}

impl<'a> Environment<'a> {
    /// Returns an environment that reads variables from `value`. It lists no names, so
    /// [`Self::unread`] reports nothing.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn of(value: &'a (dyn Fn(&str) -> Option<String> + Sync)) -> Self {
        Self {
            value,
            names: Vec::new,
            is_listed,
        }
    }
}

impl Environment<'_> {
    /// The variables that are set and name a Clerk instance, sorted by name.
    pub(super) fn of_an_instance(&self) -> impl Iterator<Item = Source> {
        let variables = read().filter(|variable| variable.names_instance);
        let mut set: Vec<_> = variables
            .map(|variable| variable.name)
            .filter(|name| self.get(name).is_some())
            .collect();
        set.sort_unstable();
        set.into_iter().map(Source::Variable)
    }

    /// A finding for each variable that looks like a setting of this server but is not one.
    pub(super) fn unread(&self) -> Vec<Finding> {
        let mut names = (self.names)();
        names.sort();
        names.iter().filter_map(|name| unread(name)).collect()
    }
}

fn is_listed(name: &str) -> bool {
    read().any(|variable| variable.name == name)
}

/// The finding does not contain the value, because a variable with a misspelt name may hold a key.
fn unread(name: &str) -> Option<Finding> {
    let ours = ["CLERK_", "MCP_"];
    if is_listed(name) || OTHERS.contains(&name) || !ours.iter().any(|ours| name.starts_with(ours))
    {
        return None;
    }
    let meant = nearest(name);
    if meant.is_none() && OTHERS_BEGIN.iter().any(|others| name.starts_with(others)) {
        return None;
    }
    let (question, remedy) = match meant {
        Some(meant) => (
            format!("; did you mean {meant}?"),
            format!("rename it to {meant}, or unset it"),
        ),
        None => (
            String::new(),
            "take the name from the table of settings in the documentation, or unset it".to_owned(),
        ),
    };
    let what = format!("nothing reads the environment variable {name}{question}");
    Some(Finding::new(&codes::VARIABLE_UNREAD, what).remedy_is(remedy))
}

/// Returns the variable that a misspelt name probably means.
fn nearest(name: &str) -> Option<&'static str> {
    // `MCP_PORT` means `PORT`.
    let suffix = name.split_once('_').map(|(_, suffix)| suffix);
    if let Some(variable) = read().find(|variable| Some(variable.name) == suffix) {
        return Some(variable.name);
    }
    // At most a fifth of the letters may differ. A larger share would make many short names similar
    // to each other.
    let allowed = name.chars().count() / 5;
    read()
        .map(|variable| variable.name)
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// All variables that the server reads.
fn read() -> impl Iterator<Item = &'static Variable> {
    OWN.iter().chain(spans::VARIABLES).chain(variables())
}

/// The variables that are not settings of the builder.
const OWN: &[Variable] = &[
    Variable::of_server("MCP_AUTH"),
    Variable::of_server("MCP_AUTH_ACCEPT"),
    Variable::of_server(explain::VARIABLE),
    Variable::of_server("MCP_CHECK_FORMAT"),
    Variable::of_server("MCP_MATRIX"),
    Variable::of_server("RUST_LOG"),
];

/// Variables of other programs: of Clerk's SDKs in the same deployment, and of MCP clients that
/// start a server. Source: clerk.com/docs/guides/development/clerk-environment-variables.
const OTHERS: [&str; 17] = [
    "CLERK_API_VERSION",
    "CLERK_DOMAIN",
    "CLERK_ENCRYPTION_KEY",
    "CLERK_FAPI",
    "CLERK_IS_SATELLITE",
    "CLERK_JS_URL",
    "CLERK_JS_VERSION",
    "CLERK_KEYLESS_DISABLED",
    "CLERK_PROXY_URL",
    "CLERK_TESTING_TOKEN",
    "CLERK_UI_URL",
    "CLERK_UI_VERSION",
    "CLERK_WEBHOOK_SECRET",
    "CLERK_WEBHOOK_SIGNING_SECRET",
    "MCP_OAUTH_CALLBACK_PORT",
    "MCP_TIMEOUT",
    "MCP_TOOL_TIMEOUT",
];

/// The prefixes of further variables of other programs.
const OTHERS_BEGIN: [&str; 5] = [
    "CLERK_AFTER_SIGN_",
    "CLERK_SIGN_",
    "CLERK_TELEMETRY_",
    "MCP_CLIENT_",
    "MCP_USE_",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn what(name: &str) -> Option<String> {
        unread(name).map(|finding| finding.what().to_owned())
    }

    #[test]
    fn a_misspelt_variable_is_named_with_the_one_that_was_meant() {
        for (name, meant) in [
            ("CLERK_SECRETKEY", "CLERK_SECRET_KEY"),
            ("CLERK_PUBLISHABLE_KEYS", "CLERK_PUBLISHABLE_KEY"),
            ("MCP_ALLOWED_ORIGIN", "MCP_ALLOWED_ORIGINS"),
            ("MCP_AUTH_EMULATER", "MCP_AUTH_EMULATOR"),
            ("MCP_PORT", "PORT"),
            ("MCP_HOST", "HOST"),
            (
                "MCP_USE_OAUTH_CLERK_FRONTEND_URL",
                "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL",
            ),
        ] {
            let expected =
                format!("nothing reads the environment variable {name}; did you mean {meant}?");
            assert_eq!(what(name), Some(expected));
        }
        let expected = "nothing reads the environment variable MCP_ORGANIZATION";
        assert_eq!(what("MCP_ORGANIZATION").as_deref(), Some(expected));
    }

    #[cfg(feature = "emulator")]
    #[test]
    fn the_guide_lists_the_variables_that_keep_the_local_clerk_off() {
        let (_, sentence) = include_str!("../../docs/guide/local-clerk.md")
            .split_once("only if none of these variables is set:")
            .unwrap();
        let (list, _) = sentence.split_once('.').unwrap();
        let names: Vec<_> = list.split('`').skip(1).step_by(2).collect();
        let of_an_instance = read().filter(|variable| variable.names_instance);
        let mut read: Vec<_> = of_an_instance.map(|variable| variable.name).collect();
        read.sort_unstable();
        assert_eq!(names, read);
    }

    #[test]
    fn a_variable_of_another_program_is_not_mentioned() {
        let others = OTHERS.into_iter().chain([
            "CLERK_SIGN_IN_FALLBACK_REDIRECT_URL",
            "CLERK_TELEMETRY_DISABLED",
            "MCP_USE_ANONYMIZED_TELEMETRY",
            "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY",
            "HOSTNAME",
            "PATH",
        ]);
        for name in others.chain(read().map(|variable| variable.name)) {
            assert_eq!(what(name), None);
        }
    }

    #[test]
    fn the_guide_lists_the_variables_that_are_read() {
        let settings = include_str!("../../docs/guide/settings.md");
        let rows = settings.lines().filter(|line| line.starts_with("| "));
        let second = rows.filter_map(|row| row.split(" | ").nth(1));
        let listed: BTreeSet<_> = second
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .map(|code| code.split('=').next().unwrap())
            .filter(|code| code.chars().all(|c| c == '_' || c.is_ascii_uppercase()))
            .collect();
        let read: BTreeSet<_> = read().map(|variable| variable.name).collect();
        assert_eq!(listed, read);
    }
}
