//! The ends of a builder: a check, or a server to mount.

use super::builder::ServerBuilder;
use super::check;
use super::environment::Environment;
use super::error::{Error, Result};
use super::finding::CheckReport;
use super::resolve::Purpose;
use super::start::{self, Server};

impl ServerBuilder {
    /// Checks the configuration and the instance, and compares both with the requirements of the tools. The server does
    /// not listen.
    ///
    /// [`serve`](Self::serve) runs this check with `MCP_AUTH=check`. The check takes as long as the slowest answer of
    /// Clerk, at most about 5 s. It compares the address with the URL, as for a server that listens itself.
    /// `docs/findings.md` lists all findings; `MCP_AUTH_ACCEPT` accepts findings by their codes.
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
    /// The check covers, among others:
    ///
    /// - The issuer answers, and calls itself by the configured URL. Its keys or the configured key can verify tokens.
    /// - The secret key belongs to the instance.
    /// - OAuth access tokens are JWTs, and clients can register.
    /// - The clocks agree, and the canonical URL fits the address.
    /// - No development instance serves a public URL.
    /// - The instance has the scopes, roles and permissions that tools require.
    pub async fn check(self) -> CheckReport {
        check::check(self, Environment::process()).await
    }

    /// Checks the configuration and makes a server to mount into an application of your own.
    ///
    /// An issuer or a Backend API that cannot be reached is no error: the server answers 503 until it can be reached.
    /// Warnings are logged; [`check`](Self::check) lists them.
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
    /// The first fatal finding, in one line with the fix and the code; `docs/findings.md` lists all of them:
    ///
    /// - A setting is missing, malformed, or contradicts another setting.
    /// - A listed host or origin can match no request.
    /// - With [`dangerous_http_url`](Self::dangerous_http_url), the host of an http URL does not resolve, or has a
    ///   public address.
    /// - The issuer calls itself by another URL, or the secret key is refused or belongs to another instance.
    /// - No kind of token is accepted, or the settings of an accepted kind are incomplete: M2M tokens without a machine,
    ///   API keys without a scope or a secret key, a check of users without a secret key.
    /// - A source of organizations is set, and there is no secret key.
    /// - Tokens without an audience would be accepted from any client, off loopback or in a transition.
    /// - There is no tool to serve, or two tools have one name.
    /// - A tool takes state that the server was not given, or two values of one type were given.
    /// - No accepted token can pass the guard of a tool.
    /// - The emulator would run in a release build, or for a server that is not on loopback.
    /// - The I/O thread or the emulator cannot be started.
    pub async fn build(self) -> Result<Server> {
        start::build(self, Environment::process(), Purpose::Mount)
            .await
            .map_err(Error::start)
    }
}
