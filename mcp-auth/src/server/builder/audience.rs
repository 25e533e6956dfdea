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

/// The settings of the audience that code gives.
#[derive(Debug, Default)]
pub(in crate::server) struct AudienceOptions {
    audience: Option<String>,
    policy: Option<AudiencePolicy>,
    ignored: bool,
    pub(in crate::server) allowed_clients: Option<Vec<String>>,
}

/// The rule for the audience of an OAuth access token (`aud`, RFC 7519 §4.1.3), which a client
/// names with the parameter `resource` (RFC 8707 §2).
///
/// Each rule refuses a token that names only other audiences. Session tokens of Clerk have no
/// audience; a session token that was customized to have an audience must name this server.
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
/// Users who connected before the server was registered with Clerk have tokens without an audience,
/// and refreshed tokens have no audience either. A transition with a date gives these users time to
/// connect again:
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
    /// The token must name this server. This is the default off loopback, and MCP requires it.
    Require,
    /// A token that names an audience must name this server; a token without an audience is
    /// accepted. This is the default on loopback. Elsewhere it needs
    /// [`ServerBuilder::allowed_clients`] or [`ServerBuilder::require_scope`], since Clerk issues
    /// the same kind of token to every OAuth application of an instance.
    IfPresent,
    /// From the beginning of this day (`YYYY-MM-DD`, in UTC) the rule is
    /// [`Require`](Self::Require). Before that day a token without an audience is accepted if its
    /// client is one of [`ServerBuilder::allowed_clients`], or if it has every scope of
    /// [`ServerBuilder::require_scope`]; without either setting the server does not start.
    /// [`required_after`](Self::required_after) makes this value.
    RequiredAfter(String),
}

impl AudiencePolicy {
    /// Accepts tokens without an audience until a date, and refuses them from that date on without
    /// a restart.
    ///
    /// `date` is a day as `YYYY-MM-DD`; the strict rule begins with that day in UTC. Any other text
    /// is a start-up error. The server counts the requests that it accepts without an audience, and
    /// logs the first request of each client (of at most 1000 clients) at `warn` with the client's
    /// id. `MCP_AUTH=check` says how long the transition lasts.
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
    /// Sets the audience that tokens must name; else `CLERK_AUDIENCE`, else the canonical URL (on
    /// loopback under each of its names).
    ///
    /// The server compares the audience byte for byte with every `aud`. There are three exceptions
    /// if the audience is an http(s) URL without a query: an `aud` may add a query (Cursor asks for
    /// tokens with the query of the URL that its user entered), may name the default port, and may
    /// write scheme and host in another case (RFC 3986 section 6.2). A URL with another scheme,
    /// host, port or path, or with a fragment, is another audience.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.audience = Some(audience.into());
        self
    }

    /// Sets the rule for a token's audience; by default [`AudiencePolicy::Require`], and
    /// [`AudiencePolicy::IfPresent`] if only this machine reaches the server.
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
    /// [`AudiencePolicy::IfPresent`] and, until its date, [`AudiencePolicy::RequiredAfter`] accept
    /// tokens that name no audience. The server then refuses to start without
    /// [`allowed_clients`](Self::allowed_clients) or [`require_scope`](Self::require_scope): under
    /// `IfPresent` off loopback, under `RequiredAfter` anywhere.
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
    /// A token issued for another resource of the same Clerk instance becomes a credential here.
    /// MCP forbids that; the method exists for migrations.
    pub fn dangerous_ignore_audience(mut self) -> Self {
        self.audience.ignored = true;
        self
    }

    /// Accepts OAuth tokens of these clients only, by `client_id`, compared byte for byte. By
    /// default the server accepts any client; with an empty list it accepts no client. Session
    /// tokens have no client and are not affected.
    ///
    /// The list also holds for tokens that were issued earlier. Blocking a client at Clerk does not
    /// revoke its tokens.
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

/// Sets the rules for audiences and clients. By default the audience is required, except by a
/// server that only this machine reaches, since tokens of other applications do not matter there.
pub(in crate::server) fn resolve(
    policy: &mut TokenPolicy,
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    host: &str,
) -> Result<(), Finding> {
    let options = &builder.audience;
    // A server that other machines reach is not local, even if its URL is on loopback.
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
    // A transition needs a known client or a required scope on loopback, too.
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
