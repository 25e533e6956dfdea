//! The sources that may name the organization of an OAuth caller.

use crate::identity::{OrganizationSource, OrganizationSources};

use super::ServerBuilder;

/// Sources of organizations in addition to the token.
impl ServerBuilder {
    /// Sets the sources that may name the organization of an OAuth caller whose token names none.
    /// By default only the token names an organization.
    ///
    /// An OAuth token names an organization only if the client asked for the scope `user:org:read`,
    /// the Clerk instance grants the client that scope, and the user chose an organization on the
    /// consent screen. If that is not possible, add a source:
    ///
    /// - [`UrlQuery`](OrganizationSource::UrlQuery): the user enters `https://…/mcp?org=acme` as
    ///   the URL of the server, with the organization's id or slug. The client then has one
    ///   connection for each organization.
    /// - [`OnlyMembership`](OrganizationSource::OnlyMembership): for products whose users are
    ///   members of one organization.
    ///
    /// The order in which the sources are given does not matter. The token is asked first, then the
    /// URL, then the memberships:
    ///
    /// - If the token and the URL name different organizations, the caller acts in no organization.
    ///   This rule also holds for session tokens and API keys of organizations.
    /// - If the URL names an organization, the server does not use the user's only membership. A
    ///   parameter `org` that is empty, given twice, longer than 256 bytes or wrongly encoded names
    ///   an organization without members.
    /// - A session token, an M2M token or an API key without an organization gets no organization
    ///   from a source.
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
    /// // As a member of two, `ada` says in the URL which one is meant.
    /// server.member("ada", "globex");
    /// let answer = ada.call("organization", json!({})).await;
    /// answer.expect_denied("Organization context required");
    /// let answer = ada.clone().url_org("globex").call("organization", json!({})).await;
    /// assert_eq!(answer.expect_ok().text(), "org_globex");
    ///
    /// // Nobody gets into an organization by naming it.
    /// server.member("grace", "initech");
    /// let answer = ada.url_org("initech").call("organization", json!({})).await;
    /// answer.expect_denied("Organization context required");
    /// # });
    /// ```
    ///
    /// The sources need a secret key; without a secret key the server does not start. Whichever
    /// source names an organization, the server looks up the membership at Clerk's Backend API
    /// (`GET /v1/users/{user_id}/organization_memberships`), and the caller acts in the
    /// organization only while they are a member. The server caches a membership for 30 seconds,
    /// and a missing membership for 5 seconds. If Clerk does not answer, the server answers 503.
    /// The look-up reads up to 500 memberships of a user; an organization beyond them is not found.
    /// [`Caller::org_id`](crate::Caller::org_id) remains the organization of the token; tools take
    /// the organization as [`Org`](crate::Org).
    ///
    /// With a source, [`dangerous_trust_token_org`](Self::dangerous_trust_token_org) has no effect.
    ///
    /// # Security
    ///
    /// With [`UrlQuery`](OrganizationSource::UrlQuery), the author of the URL chooses among the
    /// organizations of the user who signs in. A user who connects with a link of another person
    /// may work in a different organization of their own than they think. Name the organization in
    /// the results of tools that write.
    ///
    /// With [`OnlyMembership`](OrganizationSource::OnlyMembership), a user who joins a second
    /// organization acts in no organization from then on, until the token or the URL names one.
    /// Every client that the user signed in to acts in the user's only organization, although the
    /// user did not choose it on the consent screen.
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
