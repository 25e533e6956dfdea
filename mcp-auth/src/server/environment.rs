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

    /// Whether any variable that means an instance of Clerk is set.
    #[cfg(feature = "emulator")]
    pub(super) fn names_clerk(&self) -> bool {
        CLERK.iter().any(|name| self.get(name).is_some())
    }
}

/// The process's environment; a variable that is not Unicode counts as unset.
pub(super) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Not `CLERK_MACHINE_ID`: which machine a server is says nothing of where, and the local Clerk has any.
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
