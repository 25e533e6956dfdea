//! The methods that check the configuration, and the method that builds a server for mounting.

use super::builder::ServerBuilder;
use super::check;
use super::environment::Environment;
use super::error::{Error, Result};
use super::finding::CheckReport;
use super::resolve::Purpose;
use super::start::{self, Server};

impl ServerBuilder {
    /// Checks the configuration and the Clerk instance, and compares the requirements of the tools with both. The
    /// server does not listen.
    ///
    /// With `MCP_AUTH=check`, [`serve`](Self::serve) runs this check. The check takes as long as Clerk's slowest
    /// response, at most about 5 s. The check assumes that the server itself listens, so it also compares the listening
    /// address with the URL. `docs/findings.md` lists all findings. `MCP_AUTH_ACCEPT` lists the codes of findings that
    /// you accept.
    ///
    /// ```no_run
    /// # async fn example() {
    /// let report = mcp_auth::server!().check().await;
    /// for finding in report.findings() {
    ///     eprintln!("{} [{}]: {}", finding.severity(), finding.code(), finding.what());
    /// }
    /// # }
    /// ```
    ///
    /// Among other things, the check tests that:
    ///
    /// - The issuer answers, and its metadata names the configured URL. Its keys or the configured
    ///   key can verify tokens.
    /// - The secret key belongs to the instance.
    /// - OAuth access tokens are JWTs, and clients can register.
    /// - The clocks of this machine and of the issuer agree, and the canonical URL matches the
    ///   listening address.
    /// - A server with a public URL does not use a development instance.
    /// - The instance has the scopes, roles and permissions that tools require.
    pub async fn check(self) -> CheckReport {
        check::check(self, Environment::process()).await
    }

    /// Checks the configuration, and builds a server that you can mount into your own application.
    ///
    /// If the issuer or the Backend API cannot be reached, `build` still succeeds, and the server answers 503 until it
    /// can reach them. `build` only logs its warnings. [`check`](Self::check) returns them in a report.
    ///
    /// ```no_run
    /// # async fn example() {
    /// if let Err(error) = mcp_auth::server!().build().await {
    ///     // "no Clerk instance is configured; set CLERK_PUBLISHABLE_KEY (or …"
    ///     eprintln!("{error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error is the first fatal finding, in one line with the correction and the code. `docs/findings.md` lists all
    /// findings. These findings are fatal:
    ///
    /// - A setting is missing, malformed, or contradicts another setting.
    /// - An entry of the allowed hosts or origins can never match a request.
    /// - [`dangerous_http_url`](Self::dangerous_http_url) is set, and the host of the http URL does
    ///   not resolve or has a public address.
    /// - The issuer's metadata names another URL, or Clerk refuses the secret key, or the secret
    ///   key belongs to another instance.
    /// - No kind of token is accepted, or the settings of an accepted kind are incomplete: M2M
    ///   tokens without a machine, API keys with an empty list of scopes or without a secret key,
    ///   or `check_users` without a secret key.
    /// - `organization_from` is set, and no secret key is set.
    /// - The audience policy would accept tokens without an audience from any client, and the server is not on loopback
    ///   or the policy is a transition.
    /// - There is no tool to serve, or two tools have the same name.
    /// - A tool takes state that was not set, or two values of the same type were set as state.
    /// - No accepted token can pass the guard of a tool.
    /// - The emulator would run in a release build, or for a server that is not on loopback.
    /// - The I/O thread or the emulator cannot be started.
    pub async fn build(self) -> Result<Server> {
        start::build(self, Environment::process(), Purpose::Mount)
            .await
            .map_err(Error::start)
    }
}
