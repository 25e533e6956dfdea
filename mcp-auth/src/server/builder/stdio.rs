//! The caller of a server over stdio.

use super::super::environment::Variable;

#[cfg(feature = "stdio")]
pub(in crate::server) use self::options::StdioOptions;

/// The variable with the access token of the caller.
pub(in crate::server) const TOKEN: &str = "MCP_AUTH_TOKEN";

pub(in crate::server) const VARIABLES: &[Variable] = &[Variable::of_server(TOKEN)];

#[cfg(feature = "stdio")]
mod options {
    use crate::identity::{LocalUser, TokenText};

    use super::super::super::codes;
    use super::super::super::environment::Environment;
    use super::super::super::finding::Finding;
    use super::super::ServerBuilder;
    use super::TOKEN;

    /// The caller that the code names.
    #[derive(Debug, Default)]
    pub(in crate::server) struct StdioOptions {
        user: Option<LocalUser>,
        in_release: bool,
    }

    impl ServerBuilder {
        /// Names the caller of a server over stdio. By default the caller presents the access token in `MCP_AUTH_TOKEN`.
        /// If that variable is set, the server verifies the token and ignores the local user.
        ///
        /// The guards decide about a local user as about every caller. The server needs no Clerk instance and sends no
        /// request to Clerk. Over HTTP the setting has no effect.
        ///
        /// ```
        /// use mcp_auth::LocalUser;
        ///
        /// let ada = LocalUser::new("ada").org("acme").role("admin");
        /// let builder = mcp_auth::server!().local_user(ada);
        /// # let _ = builder;
        /// // A user without an organization and without scopes.
        /// let builder = mcp_auth::server!().local_user("ada");
        /// # let _ = builder;
        /// ```
        ///
        /// # Security
        ///
        /// A person who can start the program acts as this user. A release build with a local user and without `MCP_AUTH_TOKEN`
        /// does not start, unless [`dangerous_local_user_in_release`](Self::dangerous_local_user_in_release) is called.
        pub fn local_user(mut self, user: impl Into<LocalUser>) -> Self {
            self.stdio.user = Some(user.into());
            self
        }

        /// Permits a [`local_user`](Self::local_user) in a release build.
        ///
        /// # Security
        ///
        /// A person who can start the program acts as the local user, and the server verifies no token. Call this method only
        /// if the person at the machine has all the access that the tools give, even without the tools.
        pub fn dangerous_local_user_in_release(mut self) -> Self {
            self.stdio.in_release = true;
            self
        }
    }

    impl StdioOptions {
        /// Returns the access token of the caller. `None` if the variable is not set.
        pub(in crate::server) fn token(
            env: &Environment<'_>,
        ) -> Result<Option<TokenText>, Finding> {
            let Some(token) = env.get(TOKEN) else {
                return Ok(None);
            };
            // The finding must not contain the value of the variable.
            if token.contains(char::is_whitespace) {
                let what = format!("{TOKEN} contains white space");
                let finding = Finding::new(&codes::SETTING_INVALID, what);
                return Err(finding.remedy_is("set it to the access token alone, without `Bearer`"));
            }
            Ok(Some(TokenText::new(&token)))
        }

        /// Returns the local user. `None` if the code names no local user.
        pub(in crate::server) fn user(
            &self,
            is_debug_build: bool,
        ) -> Result<Option<&LocalUser>, Finding> {
            let Some(user) = &self.user else {
                return Ok(None);
            };
            if let Some(mistake) = user.mistake() {
                let what = format!("`local_user` is invalid: {mistake}");
                return Err(Finding::new(&codes::SETTING_INVALID, what));
            }
            if !is_debug_build && !self.in_release {
                let what = format!(
                    "this is a release build, and its caller would be a local user, because {TOKEN} is not set"
                );
                let remedy = format!(
                    "set {TOKEN} to an access token, or permit the user with `dangerous_local_user_in_release`"
                );
                return Err(Finding::new(&codes::LOCAL_USER_IN_RELEASE, what).remedy_is(remedy));
            }
            Ok(Some(user))
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_local_user_needs_a_debug_build_or_a_dangerous_setting() {
            let of = |builder: &ServerBuilder, is_debug_build| {
                let user = builder.stdio.user(is_debug_build);
                user.map(|user| user.cloned()).map_err(|error| error.code())
            };
            let builder = ServerBuilder::of_package("tests", "1");
            assert_eq!(of(&builder, false), Ok(None));
            let builder = builder.local_user("ada");
            let ada = Ok(Some(LocalUser::new("ada")));
            assert_eq!(of(&builder, true), ada);
            assert_eq!(of(&builder, false), Err("local-user-in-release"));
            assert_eq!(of(&builder.dangerous_local_user_in_release(), false), ada);
            let builder = ServerBuilder::of_package("tests", "1").local_user("a b");
            assert_eq!(of(&builder, true), Err("setting-invalid"));
        }

        #[test]
        fn a_token_is_one_word_and_an_error_does_not_show_it() {
            let read = |value: &str| {
                let value = |_: &str| Some(value.to_owned());
                let token = StdioOptions::token(&Environment::of(&value));
                token.map(|token| token.map(|token| token.expose().to_owned()))
            };
            assert_eq!(read(" abc ").unwrap().as_deref(), Some("abc"));
            assert_eq!(read(" ").unwrap(), None);
            let error = format!("{:?}", read("Bearer abc").unwrap_err());
            assert!(
                error.contains("without `Bearer`") && !error.contains("abc"),
                "{error}"
            );
        }
    }
}
