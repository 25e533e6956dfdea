//! The local Clerk that a server may run for development.

#[cfg(feature = "emulator")]
use std::path::PathBuf;

#[cfg(feature = "emulator")]
use clerk_emulator::Directory;

use super::super::codes;
use super::super::environment::{Environment, Variable};
use super::super::finding::Finding;
use super::super::setting::Source;
use super::ServerBuilder;

/// The settings of the local Clerk that are set in code.
#[derive(Debug, Default)]
pub(in crate::server) struct LocalClerkOptions {
    /// True if the code asks for a local Clerk.
    wanted: bool,
    #[cfg(feature = "emulator")]
    pub(in crate::server) people: People,
}

/// The source of the people and roles of the local Clerk.
#[cfg(feature = "emulator")]
#[derive(Clone, Debug, Default)]
pub(in crate::server) enum People {
    /// The people of [`Directory::default`], with roles that are adapted to the tools.
    #[default]
    Default,
    /// A directory that is set in code.
    Directory(Box<Directory>),
    /// A TOML file.
    File(PathBuf),
}

/// The methods for the local Clerk.
impl ServerBuilder {
    /// Runs a local Clerk inside the process, unless a Clerk instance is configured. An instance is configured if the
    /// code sets an instance, a key or a Backend API, or if a variable is set that the guide `local-clerk.md` lists for
    /// this.
    ///
    /// By default the local Clerk has these people, with roles that are adapted to the served
    /// tools:
    ///
    /// - `ada`, admin of `acme`, and `margaret`, admin of `globex`, have every permission that the
    ///   tools require. Both organizations have every feature and plan that the tools require, and
    ///   both admins have every required feature and plan with the prefix `user:`.
    /// - `grace`, member of `acme`, has the required permissions whose action is `read`, `list` or
    ///   `view`.
    /// - `linus` is a member of no organization.
    ///
    /// [`emulator_file`](Self::emulator_file) and [`emulator_directory`](Self::emulator_directory) replace these
    /// people.
    ///
    /// The local Clerk knows the server as a registered MCP server, under its canonical URL and its other loopback
    /// names. The tokens that clients get therefore name the server as their audience. The default scopes are the
    /// advertised scopes, `openid` and `offline_access`. A client that registers itself may ask only for the scopes
    /// that it registered with, or for the default scopes if it registered without scopes, as at Clerk. If such a
    /// client asks for the scope of a single tool later, the local Clerk answers with `invalid_scope`, unless
    /// [`scopes_supported`](Self::scopes_supported) advertises this scope.
    ///
    /// Clients stay signed in after a restart, because the local Clerk stores its port, keys, clients and tokens in
    /// `target/mcp-auth/<program>.json`, which only its owner can read. It does not store people, roles, scopes and the
    /// registered server, which come from the code at each start. To start without the stored data, delete the file. A
    /// program outside cargo's target directory stores no state, and says so in the log. The variable
    /// `MCP_AUTH_EMULATOR_STATE` names another file, or is `off`. Tests store no state.
    ///
    /// ```no_run
    /// # async fn example() -> mcp_auth::Result<()> {
    /// let running = mcp_auth::server!().emulator().port(0).start().await?;
    /// println!("{}/dev/token?user=ada&org=acme", running.issuer());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// The local Clerk issues a token of any user to any program on the same machine. In a release
    /// build it starts only with `MCP_AUTH_EMULATOR=1`. It never starts for a server whose address
    /// or URL is not on loopback.
    #[cfg(feature = "emulator")]
    pub fn emulator(mut self) -> Self {
        self.local_clerk.wanted = true;
        self
    }

    /// Runs a local Clerk, as [`emulator`](Self::emulator) does, with the people and roles of a
    /// TOML file. The path is relative to the working directory. In [`serve!`](crate::serve) and
    /// [`server!`](crate::server), write `emulator = "clerk.toml"` for a path that is relative to
    /// the directory of the package's `Cargo.toml`.
    ///
    /// The server reads the file at each start. All people, including admins, have exactly the permissions, features
    /// and plans that the file gives them. If tools require permissions or roles that the file does not define, the log
    /// has a warning. The guide `local-clerk.md` describes the file.
    ///
    /// ```no_run
    /// # async fn serve() -> mcp_auth::Result<()> {
    /// mcp_auth::server!().emulator_file("people/clerk.toml").serve().await
    /// # }
    /// ```
    ///
    /// If the file is missing or malformed, the server does not start. The error names the path,
    /// and the line and column of a mistake.
    ///
    /// # Security
    ///
    /// See [`emulator`](Self::emulator).
    #[cfg(feature = "emulator")]
    pub fn emulator_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.local_clerk.people = People::File(path.into());
        self.emulator()
    }

    /// Runs a local Clerk, as [`emulator`](Self::emulator) does, with exactly these people and
    /// roles.
    ///
    /// ```
    /// use mcp_auth::Directory;
    ///
    /// # fn main() -> mcp_auth::Result<()> {
    /// let people = Directory::parse(r#"
    ///     [roles.bookkeeper]
    ///     permissions = ["org:invoices:pay"]
    ///     [users.kay]
    ///     [organizations.parc]
    ///     members = { kay = "bookkeeper" }
    /// "#)?;
    /// let server = mcp_auth::server!().emulator_directory(people);
    /// # let _ = server;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// See [`emulator`](Self::emulator).
    #[cfg(feature = "emulator")]
    pub fn emulator_directory(mut self, directory: Directory) -> Self {
        self.local_clerk.people = People::Directory(Box::new(directory));
        self.emulator()
    }

    /// `serve!(emulator)` expands to this call if the feature `emulator` is off. The server then
    /// starts only if an instance is configured.
    #[cfg(not(feature = "emulator"))]
    #[doc(hidden)]
    pub fn emulator_without_feature(mut self) -> Self {
        self.local_clerk.wanted = true;
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[
    Variable::of_server("MCP_AUTH_EMULATOR"),
    Variable::of_server("MCP_AUTH_EMULATOR_STATE"),
];

/// Whether a local Clerk runs, and the reasons if it does not.
#[derive(Debug, Default)]
pub(in crate::server) struct LocalClerkChoice {
    pub(in crate::server) runs: bool,
    /// The settings that name an instance. Because of them, a local Clerk that the code asks for does not start.
    pub(in crate::server) kept_off_by: Vec<Source>,
}

impl LocalClerkChoice {
    /// Decides whether a local Clerk runs: the code must ask for it, and no setting may name an
    /// instance.
    pub(in crate::server) fn of(builder: &ServerBuilder, env: &Environment<'_>) -> Self {
        if !builder.local_clerk.wanted || cfg!(not(feature = "emulator")) {
            return Self::default();
        }
        let named = builder.clerk.of_an_instance().chain(env.of_an_instance());
        let kept_off_by: Vec<_> = named.collect();
        Self {
            runs: kept_off_by.is_empty(),
            kept_off_by,
        }
    }

    /// Returns the finding that no setting names an instance.
    pub(in crate::server) fn instance_missing(&self, builder: &ServerBuilder) -> Finding {
        let remedy = self.remedy(builder.local_clerk.wanted, cfg!(feature = "emulator"));
        let what = "no Clerk instance is configured";
        Finding::new(&codes::INSTANCE_MISSING, what).remedy_is(remedy)
    }

    /// Returns how to configure an instance or a local Clerk. `wanted` is true if the code asks for a local
    /// Clerk. `has_feature` is true if the feature `emulator` is on.
    fn remedy(&self, wanted: bool, has_feature: bool) -> String {
        let set = "set CLERK_PUBLISHABLE_KEY (or CLERK_FRONTEND_API_URL)";
        if !self.kept_off_by.is_empty() {
            let settings: Vec<_> = self.kept_off_by.iter().map(Source::to_string).collect();
            format!(
                "{set}; or, to use the local Clerk, remove {}",
                settings.join(", ")
            )
        } else if wanted && !has_feature {
            format!("{set}; the local Clerk needs the feature `emulator` of mcp-auth, which is off")
        } else {
            format!("{set}; for development, `serve!(emulator)` starts a local Clerk")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_the_feature_only_if_the_code_asks_for_a_local_clerk_without_it() {
        let choice = LocalClerkChoice::default();
        let names_feature = |wanted, has_feature| {
            let remedy = choice.remedy(wanted, has_feature);
            assert!(remedy.starts_with("set CLERK_PUBLISHABLE_KEY"), "{remedy}");
            remedy.contains("the feature `emulator`")
        };
        assert!(names_feature(true, false));
        assert!(!names_feature(true, true) && !names_feature(false, false));
    }

    /// `.ci/run features` compiles this test without the feature.
    #[cfg(not(feature = "emulator"))]
    #[test]
    fn without_its_feature_a_local_clerk_does_not_run() {
        for builder in [
            crate::server!(emulator),
            crate::server!(emulator = "clerk.toml"),
        ] {
            let choice = LocalClerkChoice::of(&builder, &Environment::of(&|_| None));
            assert!(!choice.runs && choice.kept_off_by.is_empty());
        }
    }
}
