//! Whether clients of the legacy revisions get sessions.

use super::super::environment::{Environment, Variable};
use super::super::finding::Finding;
use super::super::setting::Setting;
use super::ServerBuilder;

/// The setting of sessions that is set in code.
#[derive(Debug, Default)]
pub(in crate::server) struct SessionOptions {
    legacy: Option<String>,
}

impl ServerBuilder {
    /// Gives sessions to clients of MCP 2025-11-25, 2025-06-18 and 2025-03-26. Default: `MCP_AUTH_LEGACY=sessions`, or
    /// no sessions if that variable is unset or `stateless`. Clients of MCP 2026-07-28 never have a session.
    ///
    /// In a session, a client gets messages on a stream of its own, can resume a stream after its connection broke, can
    /// cancel a call, and can subscribe to resources. Without sessions, each request is independent, and a restart or a
    /// second process makes no difference. With sessions, all requests of a session must reach the process that
    /// opened it.
    ///
    /// `initialize` returns the id of the session in the header `Mcp-Session-Id`. A client that does not send this
    /// header is served without a session, and so is a client without a token. A session ends with a DELETE, or after
    /// 30 minutes without a request and without an open stream. A session also ends after 24 hours, even if it is in
    /// use. A client that uses the session afterwards gets a 404, and opens a new session.
    ///
    /// A principal (a user or machine with one client in one organization) may have at most 16 sessions, a user or
    /// machine at most 64, and the server at most 10,000. At a limit, a new session takes the place of the session that
    /// has been idle for longest. If no session is idle, the client is served without a session.
    ///
    /// ```
    /// let builder = mcp_auth::server!().legacy_sessions();
    /// # let _ = builder;
    /// ```
    ///
    /// # Security
    ///
    /// A session is no authentication: the token of each request decides. A session belongs to the principal that
    /// opened it (issuer, kind of token, subject, client and organization). For every other caller the session does not
    /// exist.
    ///
    /// Source: MCP 2025-11-25, basic/transports, session management.
    pub fn legacy_sessions(mut self) -> Self {
        self.sessions.legacy = Some("sessions".to_owned());
        self
    }
}

impl SessionOptions {
    /// Returns true if legacy clients get sessions.
    pub(in crate::server) fn resolve(&self, env: &Environment<'_>) -> Result<bool, Finding> {
        let legacy = Setting::text(env, self.legacy.as_ref(), "legacy_sessions", VARIABLE);
        let legacy = legacy.parse(|value, source| match value.as_str() {
            "sessions" => Ok(true),
            "stateless" => Ok(false),
            _ => Err(source.invalid(value, "`sessions` or `stateless` is expected")),
        })?;
        Ok(legacy.value.unwrap_or_default())
    }
}

const VARIABLE: &str = "MCP_AUTH_LEGACY";

pub(in crate::server) const VARIABLES: &[Variable] = &[Variable::of_server(VARIABLE)];

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(in_code: bool, variable: Option<&str>) -> Result<bool, String> {
        let mut builder = ServerBuilder::of_package("tests", "1");
        if in_code {
            builder = builder.legacy_sessions();
        }
        let value = |_: &str| variable.map(str::to_owned);
        let resolved = builder.sessions.resolve(&Environment::of(&value));
        resolved.map_err(|finding| finding.what().to_owned())
    }

    #[test]
    fn sessions_are_a_choice_of_the_code_or_of_the_variable() {
        assert_eq!(resolved(false, None), Ok(false));
        assert_eq!(resolved(false, Some("stateless")), Ok(false));
        assert_eq!(resolved(false, Some("sessions")), Ok(true));
        assert_eq!(resolved(true, Some("stateless")), Ok(true));
        assert_eq!(
            resolved(false, Some("on")),
            Err("MCP_AUTH_LEGACY is `on`: `sessions` or `stateless` is expected".to_owned())
        );
    }
}
