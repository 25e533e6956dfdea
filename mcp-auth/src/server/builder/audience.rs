//! The audience and the client that a token must name.

use crate::http::Canonical;
use crate::identity::{AudienceMode, TokenPolicy};
use crate::loopback;

use super::super::codes;
use super::super::date::beginning_of;
use super::super::environment::{Environment, Variable};
use super::super::finding::Finding;
use super::super::setting::{Setting, Source};
use super::ServerBuilder;

/// The settings of the audience that are set in code.
#[derive(Debug, Default)]
pub(in crate::server) struct AudienceOptions {
    audience: Option<String>,
    policy: Option<AudiencePolicy>,
    ignored: bool,
    pub(in crate::server) allowed_clients: Option<Vec<String>>,
}

/// The rule for the audience of an OAuth access token (`aud`, RFC 7519 §4.1.3). A client asks for
/// an audience with the parameter `resource` (RFC 8707 §2).
///
/// Every rule refuses a token that was issued for other audiences only. Clerk's session tokens have
/// no audience by default. If you customize them to have an audience, it must be the audience of
/// this server.
///
/// ```
/// use mcp_auth::AudiencePolicy;
///
/// // Clients that send no `resource` are accepted, but only these two.
/// let builder = mcp_auth::server!()
///     .audience_policy(AudiencePolicy::IfPresent)
///     .allowed_clients(["client_desktop", "https://app.example.com/client.json"]);
/// # let _ = builder;
/// ```
///
/// Users who connected before you registered the server with Clerk have tokens without an audience,
/// and refreshing these tokens does not add an audience. A transition with a date gives these users
/// time to connect again:
///
/// ```
/// use mcp_auth::AudiencePolicy;
///
/// let builder = mcp_auth::server!()
///     .audience_policy(AudiencePolicy::required_after("2027-03-01"))
///     .allowed_clients(["https://claude.ai/oauth/mcp-oauth-client-metadata"]);
/// # let _ = builder;
/// ```
///
/// Source: MCP 2026-07-28, basic/authorization, "Token handling";
/// <https://clerk.com/docs/guides/ai/mcp/build-mcp-server>.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AudiencePolicy {
    /// The token must name this server as its audience. This rule is the default off loopback. MCP
    /// requires it.
    Require,
    /// A token with an audience must name this server. A token without an audience is accepted. This rule is the
    /// default on loopback. Off loopback the server starts with this rule only if [`ServerBuilder::allowed_clients`] or
    /// [`ServerBuilder::require_scope`] is set, because Clerk issues tokens without an audience to every OAuth
    /// application of the instance.
    IfPresent,
    /// From the beginning of this day (`YYYY-MM-DD`, in UTC) the rule is
    /// [`Require`](Self::Require). Before that day the rule is [`IfPresent`](Self::IfPresent), and
    /// the server starts only if [`ServerBuilder::allowed_clients`] or
    /// [`ServerBuilder::require_scope`] is set. [`required_after`](Self::required_after) makes this
    /// value.
    RequiredAfter(String),
}

impl AudiencePolicy {
    /// Accepts tokens without an audience until a date, and refuses them from that date on. The
    /// change needs no restart.
    ///
    /// `date` is a day in the form `YYYY-MM-DD`. The strict rule begins at the start of this day in UTC. Any other text
    /// is a start-up error. Until this day the server counts the requests whose token has no audience. It logs the
    /// first such request of each client at `warn` with the client's id, for at most 1000 clients. `MCP_AUTH=check`
    /// reports how long the transition still lasts.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use std::time::Duration;
    /// # use mcp_auth::testing::{TestClock, TestServer};
    /// # use serde_json::json;
    /// use mcp_auth::AudiencePolicy;
    ///
    /// // It is 28 February 2027.
    /// let clock = TestClock::at(1_803_772_800);
    /// let builder = mcp_auth::server!()
    /// #   .tools_of(module_path!())
    ///     .clock(&clock)
    ///     .url("https://mcp.example.com/mcp")
    ///     .audience_policy(AudiencePolicy::required_after("2027-03-01"))
    ///     .allowed_clients(["client_desktop"]);
    /// let server = TestServer::of(builder);
    ///
    /// let ada = server.user("ada").client("client_desktop").audience(None);
    /// ada.call("greet", json!({})).await.expect_ok();
    /// server.advance(Duration::from_secs(86_400));
    /// ada.call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn required_after(date: impl Into<String>) -> Self {
        Self::RequiredAfter(date.into())
    }
}

/// The audience and the client that a token must name.
impl ServerBuilder {
    /// Sets the audience that tokens must name. Default: `CLERK_AUDIENCE`, or the canonical URL if
    /// that variable is unset. If the canonical URL is on loopback, it may be written with any
    /// loopback host (`127.0.0.1`, `localhost`, `[::1]`).
    ///
    /// The server compares the audience byte for byte with each value of the token's `aud`. If the
    /// audience is an http(s) URL without a query, three differences are allowed: the `aud` may add
    /// a query (Cursor asks for tokens with the query of the URL that its user entered), may name
    /// the default port, and may write scheme and host in another case (RFC 3986 section 6.2). A
    /// URL with another scheme, host, port or path, or with a fragment, is a different audience.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.audience = Some(audience.into());
        self
    }

    /// Sets the rule for a token's audience. The default is [`AudiencePolicy::IfPresent`] if the
    /// URL and the listening address are on loopback, and [`AudiencePolicy::Require`] otherwise.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// use mcp_auth::AudiencePolicy;
    ///
    /// let builder = mcp_auth::server!()
    /// #   .tools_of(module_path!())
    ///     .url("https://mcp.example.com/mcp")
    ///     .audience_policy(AudiencePolicy::IfPresent)
    ///     .allowed_clients(["client_desktop"]);
    /// let server = TestServer::of(builder);
    ///
    /// let ada = server.user("ada").client("client_desktop").audience(None);
    /// ada.call("greet", json!({})).await.expect_ok();
    /// let elsewhere = ada.audience(Some("https://other.example.com"));
    /// elsewhere.call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// [`AudiencePolicy::IfPresent`] accepts tokens that have no audience, and
    /// [`AudiencePolicy::RequiredAfter`] accepts them until its date. With `IfPresent` off
    /// loopback, and with `RequiredAfter` everywhere, the server starts only if
    /// [`allowed_clients`](Self::allowed_clients) or [`require_scope`](Self::require_scope) is set.
    pub fn audience_policy(mut self, policy: AudiencePolicy) -> Self {
        self.audience.policy = Some(policy);
        self
    }

    /// Accepts tokens of any audience.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().dangerous_ignore_audience();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada").audience(Some("https://other.example.com"));
    /// ada.call("greet", json!({})).await.expect_ok();
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// The server accepts tokens that the same Clerk instance issued for other resources. MCP forbids this. The method
    /// exists for migrations.
    pub fn dangerous_ignore_audience(mut self) -> Self {
        self.audience.ignored = true;
        self
    }

    /// Accepts OAuth tokens of these clients only. The server compares the `client_id` byte for byte. By default the
    /// server accepts every client. With an empty list it accepts no client. The list does not affect session tokens,
    /// which name no client.
    ///
    /// The list also applies to tokens that were issued earlier. Blocking a client at Clerk does
    /// not revoke its tokens.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().allowed_clients(["client_desktop"]);
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada");
    /// ada.clone().client("client_desktop").call("greet", json!({})).await.expect_ok();
    /// ada.client("client_other").call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn allowed_clients<C: Into<String>>(
        mut self,
        clients: impl IntoIterator<Item = C>,
    ) -> Self {
        self.audience.allowed_clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[Variable::of_instance("CLERK_AUDIENCE")];

/// Returns the rules for audiences and clients. By default the audience is required, unless the server is local. Only
/// this machine can reach a local server, so accepting a token of another application gives nobody else access.
pub(in crate::server) fn resolve(
    policy: &mut TokenPolicy,
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    host: &str,
) -> Result<(), Finding> {
    let options = &builder.audience;
    // A server that listens on another address is not local, even if its URL is on loopback.
    let is_local = canonical.is_loopback() && loopback::is_host(host);
    policy.trust_emulator(canonical.is_loopback());
    if policy.trusts_emulator && !is_local {
        policy.trust_emulator(false);
        let issuer = &policy.issuer;
        let what = format!("the server listens on {host}, and its Clerk is the local {issuer}");
        let remedy = "set HOST to 127.0.0.1, or CLERK_PUBLISHABLE_KEY to the key of an instance";
        return Err(Finding::new(&codes::LOCAL_CLERK_EXPOSED, what).remedy_is(remedy));
    }
    let mode = match &options.policy {
        None if is_local => AudienceMode::IfPresent,
        None | Some(AudiencePolicy::Require) => AudienceMode::Require,
        Some(AudiencePolicy::IfPresent) => AudienceMode::IfPresent,
        Some(AudiencePolicy::RequiredAfter(date)) => {
            let expected =
                "`AudiencePolicy::required_after` takes a day from 1970 on, like 2027-03-01";
            let invalid = || Source::Code("audience_policy").invalid(date, expected);
            AudienceMode::RequireAfter(beginning_of(date).ok_or_else(invalid)?)
        }
    };
    // A transition needs `allowed_clients` or `require_scope`, on loopback too.
    let is_open = match mode {
        AudienceMode::IfPresent => !is_local,
        AudienceMode::RequireAfter(_) => true,
        AudienceMode::Off | AudienceMode::Require => false,
    };
    let required_scopes = &builder.scopes.required;
    let is_confined = options.allowed_clients.is_some() || !required_scopes.is_empty();
    if is_open && builder.tokens.oauth && !is_confined {
        let url = canonical.as_str();
        let what = format!("tokens without an audience would be accepted at {url}");
        let remedy =
            "add `allowed_clients` or `require_scope`, or leave the audience policy at `Require`";
        return Err(Finding::new(&codes::AUDIENCE_OPEN, what).remedy_is(remedy));
    }
    let in_code = options.audience.as_ref();
    let audience = Setting::text(env, in_code, "audience", "CLERK_AUDIENCE").value;
    let accepted = audience.map_or_else(|| canonical.audiences(), |audience| vec![audience]);
    policy.audience.accepted = accepted;
    policy.audience.mode = match options.ignored {
        true => AudienceMode::Off,
        false => mode,
    };
    policy.required_scopes.clone_from(required_scopes);
    policy.allowed_clients.clone_from(&options.allowed_clients);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Findings;
    use super::super::super::resolve::policy;
    use super::super::tokens::HeldKeys;
    use super::*;

    #[test]
    fn only_a_server_that_listens_on_loopback_takes_tokens_without_an_audience() {
        let none = |_: &str| None;
        let env = Environment::of(&none);
        let mode = |host: &str, url: &str| {
            let builder = ServerBuilder::of_package("test", "1").host(host).url(url);
            let canonical = Canonical::parse(url, "/mcp").unwrap();
            let keys = HeldKeys::of(&builder, &env, false);
            let issuer = "https://clerk.example.com";
            let mut findings = Findings::default();
            let canonical = Some(&canonical);
            let policy = policy(&builder, &env, canonical, issuer, keys, &mut findings);
            assert!(findings.check().is_ok(), "{findings:?}");
            policy.audience.mode
        };
        let local = "http://127.0.0.1:3000";
        for (host, url, expected) in [
            ("127.0.0.1", local, AudienceMode::IfPresent),
            ("localhost", local, AudienceMode::IfPresent),
            ("0.0.0.0", local, AudienceMode::Require),
            ("10.0.0.7", local, AudienceMode::Require),
            (
                "127.0.0.1",
                "https://mcp.example.com",
                AudienceMode::Require,
            ),
        ] {
            assert_eq!(mode(host, url), expected, "{host} {url}");
        }
    }
}
