//! The environment variables that configure a server.

/// The source of variables: the environment of the process, or a table in a test.
#[derive(Clone, Copy)]
pub(super) struct Environment<'a> {
    pub(super) value: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub(super) names: fn() -> Vec<String>,
    /// Returns true if the server's list of variables has this name.
    pub(super) is_listed: fn(&str) -> bool,
}

impl Environment<'_> {
    /// The value of a variable, without surrounding blanks. An empty variable counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        debug_assert!(
            (self.is_listed)(name),
            "{name} is not among the variables that are read"
        );
        let value = (self.value)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The directory in which cargo builds. This variable is not a setting of the server.
    #[cfg(feature = "emulator")]
    pub(super) fn cargo_target_directory(&self) -> Option<String> {
        (self.value)("CARGO_TARGET_DIR")
    }

    /// The entries of a comma-separated list, including empty entries.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let value = self.get(name)?;
        Some(value.split(',').map(str::to_owned).collect())
    }
}

/// A variable that the server reads.
pub(super) struct Variable {
    pub(super) name: &'static str,
    /// True if the variable names a Clerk instance. If such a variable is set, no local Clerk
    /// starts.
    pub(super) names_instance: bool,
}

impl Variable {
    pub(super) const fn of_instance(name: &'static str) -> Self {
        Self {
            name,
            names_instance: true,
        }
    }

    pub(super) const fn of_server(name: &'static str) -> Self {
        Self {
            name,
            names_instance: false,
        }
    }
}
