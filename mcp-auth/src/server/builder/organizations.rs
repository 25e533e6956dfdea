//! The sources, in addition to the token, that may name the organization of an OAuth caller.

use crate::identity::{OrganizationSource, OrganizationSources};

use super::ServerBuilder;

/// Sources of organizations in addition to the token.
impl ServerBuilder {
    /// Sets the sources that may name the organization of an OAuth caller whose token names no organization. By default
    /// only the token can name an organization.
    ///
    /// An OAuth token names an organization only if three conditions hold: the client asked for the scope
    /// `user:org:read`, the Clerk instance grants the client this scope, and the user chose an organization on the
    /// consent screen. If you cannot rely on this, add a source:
    ///
    /// - [`UrlQuery`](OrganizationSource::UrlQuery): the user enters `https://…/mcp?org=acme` as
    ///   the URL of the server, with the organization's id or slug. To work in several
    ///   organizations, the user adds the server to the client once for each organization.
    /// - [`OnlyMembership`](OrganizationSource::OnlyMembership): a user who is a member of exactly one organization
    ///   acts in this organization. Use this source if each of your users has one organization.
    ///
    /// The order of the arguments does not matter. The server reads the token first, then the URL,
    /// then the memberships:
    ///
    /// - If the token and the URL name different organizations, the caller acts in no organization.
    ///   This rule also applies to session tokens and to API keys of organizations.
    /// - If the URL names an organization, the server does not fall back to the user's only
    ///   membership. A parameter `org` that is empty, given twice, longer than 256 bytes or wrongly
    ///   encoded counts as the name of an organization without members.
    /// - If a session token, an M2M token or an API key has no organization, the sources do not add an organization.
    ///
    /// ```
    /// use mcp_auth::{Org, OrganizationSource};
    ///
    /// /// Name the organization.
    /// #[mcp_auth::mcp_tool]
    /// async fn organization(org: &Org) -> String {
    ///     org.id().to_owned()
    /// }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!()
    ///     .organization_from([OrganizationSource::UrlQuery, OrganizationSource::OnlyMembership]);
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    ///
    /// // The token of `ada` names no organization, and `ada` is a member of one.
    /// server.member("ada", "acme");
    /// let ada = server.user("ada");
    /// let answer = ada.call("organization", json!({})).await;
    /// assert_eq!(answer.expect_ok().text(), "org_acme");
    ///
    /// // As a member of two organizations, `ada` names one of them in the URL.
    /// server.member("ada", "globex");
    /// let answer = ada.call("organization", json!({})).await;
    /// answer.expect_denied("Organization context required");
    /// let answer = ada.clone().url_org("globex").call("organization", json!({})).await;
    /// assert_eq!(answer.expect_ok().text(), "org_globex");
    ///
    /// // Naming an organization in the URL does not make `ada` a member.
    /// server.member("grace", "initech");
    /// let answer = ada.url_org("initech").call("organization", json!({})).await;
    /// answer.expect_denied("Organization context required");
    /// # });
    /// ```
    ///
    /// The sources need a secret key. Without a secret key the server does not start. The server looks up the
    /// membership at Clerk's Backend API (`GET /v1/users/{user_id}/organization_memberships`), also for an organization
    /// that the token names. The caller acts in the organization only while they are a member. The server caches a
    /// membership for 30 seconds, and the absence of a membership for 5 seconds. If Clerk does not answer, the server
    /// answers 503. The look-up reads up to 500 memberships of a user, and ignores further memberships. A tool gets the
    /// organization from a source as a parameter [`Org`](crate::Org). [`Caller::org_id`](crate::Caller::org_id) returns
    /// only the organization of the token.
    ///
    /// With a source, [`dangerous_trust_token_org`](Self::dangerous_trust_token_org) has no effect.
    ///
    /// # Security
    ///
    /// With [`UrlQuery`](OrganizationSource::UrlQuery), the author of a link chooses among the organizations of the
    /// user who signs in. A user who connects with another person's link may act in another of their organizations than
    /// they expect. Tools that write should therefore name the organization in their results.
    ///
    /// With [`OnlyMembership`](OrganizationSource::OnlyMembership), a user who joins a second organization acts in no
    /// organization after that, until the token or the URL names one. Every client with which the user signed in acts
    /// in the user's only organization, although the user did not choose the organization on the consent screen.
    ///
    /// Source: <https://clerk.com/changelog/2026-05-14-oauth-organizations>;
    /// <https://clerk.com/docs/reference/backend-api>.
    pub fn organization_from(
        mut self,
        sources: impl IntoIterator<Item = OrganizationSource>,
    ) -> Self {
        let mut set = OrganizationSources::default();
        sources.into_iter().for_each(|source| set.add(source));
        self.organizations = set;
        self
    }
}
