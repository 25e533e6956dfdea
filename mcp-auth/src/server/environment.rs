//! The environment variables that configure a server, and those that look as if they did.

use super::check::Finding;

/// Where variables are read from: the process's environment, or a table in a test.
#[derive(Clone, Copy)]
pub(super) struct Environment<'a> {
    value: &'a (dyn Fn(&str) -> Option<String> + Sync),
    names: fn() -> Vec<String>,
}

impl Environment<'static> {
    /// The process's own; a variable that is not Unicode counts as unset.
    pub(super) fn process() -> Self {
        Self {
            value: &|name| std::env::var(name).ok(),
            names: || {
                let names = std::env::vars_os().map(|(name, _)| name.into_string());
                names.filter_map(Result::ok).collect()
            },
        }
    }
}

impl<'a> Environment<'a> {
    /// A table, of which no names are known.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn of(value: &'a (dyn Fn(&str) -> Option<String> + Sync)) -> Self {
        Self {
            value,
            names: Vec::new,
        }
    }

    /// The variable, without surrounding blanks; an empty one counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        debug_assert!(
            READ.iter().any(|read| read.name == name),
            "{name} is not among the variables that are read"
        );
        let value = (self.value)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Where cargo builds, which is no setting of a server.
    #[cfg(feature = "emulator")]
    pub(super) fn cargo_target_directory(&self) -> Option<String> {
        (self.value)("CARGO_TARGET_DIR")
    }

    /// A comma-separated list, with its empty entries.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let value = self.get(name)?;
        Some(value.split(',').map(str::to_owned).collect())
    }

    /// The variables that are set and keep the local Clerk off.
    #[cfg(feature = "emulator")]
    pub(super) fn of_an_instance(&self) -> impl Iterator<Item = &'static str> {
        let of_an_instance = READ.iter().filter(|read| read.names_instance);
        of_an_instance
            .filter(|read| self.get(read.name).is_some())
            .map(|read| read.name)
    }

    /// A finding for each variable that nothing reads although its name says that something should.
    pub(super) fn unread(&self) -> Vec<Finding> {
        let mut names = (self.names)();
        names.sort();
        names.iter().filter_map(|name| unread(name)).collect()
    }
}

/// Values are never shown: a misspelt name may hold a key.
fn unread(name: &str) -> Option<Finding> {
    let ours = ["CLERK_", "MCP_"];
    let is_read = READ.iter().any(|read| read.name == name);
    if is_read || OTHERS.contains(&name) || !ours.iter().any(|ours| name.starts_with(ours)) {
        return None;
    }
    let meant = nearest(name);
    if meant.is_none() && OTHERS_BEGIN.iter().any(|others| name.starts_with(others)) {
        return None;
    }
    let why = "a setting that is not read has its default, and nothing else says so";
    Some(match meant {
        Some(meant) => Finding::warning(
            format!("nothing reads the environment variable {name}; did you mean {meant}?"),
            why,
            format!("rename it to {meant}, or unset it"),
        ),
        None => Finding::warning(
            format!("nothing reads the environment variable {name}"),
            why,
            "take the name from the table of settings in the README, or unset it",
        ),
    })
}

/// The variable that a misspelt one was meant to be.
fn nearest(name: &str) -> Option<&'static str> {
    // `MCP_PORT` is `PORT`.
    let suffix = name.split_once('_').map(|(_, suffix)| suffix);
    if let Some(read) = READ.iter().find(|read| Some(read.name) == suffix) {
        return Some(read.name);
    }
    // A fifth of the letters: with more, every short name would be near another.
    let allowed = name.chars().count() / 5;
    READ.iter()
        .map(|read| (strsim::damerau_levenshtein(name, read.name), read.name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// A variable that the server reads.
struct Variable {
    name: &'static str,
    /// Whether setting it means an instance of Clerk.
    #[cfg_attr(
        not(feature = "emulator"),
        expect(dead_code, reason = "only a local Clerk gives way to an instance")
    )]
    names_instance: bool,
}

const fn of_instance(name: &'static str) -> Variable {
    Variable {
        name,
        names_instance: true,
    }
}

const fn of_server(name: &'static str) -> Variable {
    Variable {
        name,
        names_instance: false,
    }
}

/// All that are read; the README's table of settings has the same.
const READ: [Variable; 19] = [
    of_instance("CLERK_API_URL"),
    of_instance("CLERK_AUDIENCE"),
    of_instance("CLERK_FRONTEND_API_URL"),
    of_instance("CLERK_JWT_KEY"),
    // Which machine a server is says nothing of where, and the local Clerk has any.
    of_server("CLERK_MACHINE_ID"),
    of_instance("CLERK_MACHINE_SECRET_KEY"),
    of_instance("CLERK_PUBLISHABLE_KEY"),
    of_instance("CLERK_SECRET_KEY"),
    of_server("HOST"),
    of_server("MCP_ALLOWED_HOSTS"),
    of_server("MCP_ALLOWED_ORIGINS"),
    of_server("MCP_AUTH"),
    of_server("MCP_AUTH_EMULATOR"),
    of_server("MCP_AUTH_EMULATOR_STATE"),
    of_server("MCP_TRUSTED_PROXIES"),
    of_server("MCP_URL"),
    of_instance("MCP_USE_OAUTH_CLERK_FRONTEND_API_URL"),
    of_server("PORT"),
    of_server("RUST_LOG"),
];

/// Variables of Clerk's SDKs for other programs of the same deployment, and of MCP clients that start a
/// server. Source: clerk.com/docs/guides/development/clerk-environment-variables.
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

/// How others of them begin.
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
        let of_an_instance = READ.iter().filter(|read| read.names_instance);
        let read: Vec<_> = of_an_instance.map(|read| read.name).collect();
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
        for name in others.chain(READ.iter().map(|read| read.name)) {
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
        let read: BTreeSet<_> = READ.iter().map(|read| read.name).collect();
        assert_eq!(listed, read);
    }
}
