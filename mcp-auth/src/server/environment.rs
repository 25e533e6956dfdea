//! The environment variables that configure a server.

/// Where variables are read from: the process's environment, or a table in a test.
#[derive(Clone, Copy)]
pub(super) struct Environment<'a>(pub(super) &'a (dyn Fn(&str) -> Option<String> + Sync));

impl Environment<'_> {
    /// The variable, without surrounding blanks; an empty one counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A comma-separated list.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let value = self.get(name)?;
        let items = value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        Some(items.map(str::to_owned).collect())
    }

    /// The variables that are set and keep the local Clerk off.
    #[cfg(feature = "emulator")]
    pub(super) fn of_an_instance(&self) -> impl Iterator<Item = &'static str> {
        CLERK.into_iter().filter(|name| self.get(name).is_some())
    }
}

/// The process's environment; a variable that is not Unicode counts as unset.
pub(super) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The variables of an instance, of which each keeps the local Clerk off. `CLERK_MACHINE_ID` is none of them: the
/// local Clerk has a machine of any id.
#[cfg(feature = "emulator")]
const CLERK: [&str; 8] = [
    "CLERK_API_URL",
    "CLERK_AUDIENCE",
    "CLERK_FRONTEND_API_URL",
    "CLERK_JWT_KEY",
    "CLERK_MACHINE_SECRET_KEY",
    "CLERK_PUBLISHABLE_KEY",
    "CLERK_SECRET_KEY",
    "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL",
];

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::*;

    #[test]
    fn the_variables_that_keep_the_local_clerk_off_are_those_of_the_readme() {
        let (_, sentence) = include_str!("../../README.md")
            .split_once("only if none of these variables is set:")
            .unwrap();
        let (list, _) = sentence.split_once('.').unwrap();
        let names: Vec<_> = list.split('`').skip(1).step_by(2).collect();
        assert_eq!(names, CLERK);
    }
}
