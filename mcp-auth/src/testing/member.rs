//! A membership at the test's Clerk.

use super::server::TestServer;

/// A membership of a user in an organization. [`TestServer::member`] creates it. Each method takes effect at once, for
/// all callers who are this user.
///
/// ```
/// # use mcp_auth::testing::TestServer;
/// fn hire(server: &TestServer) {
///     server.member("ada", "acme").role("admin").permissions(["org:documents:delete"]);
///     server.member("grace", "acme").permissions(["org:documents:read"]);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TestMember<'a> {
    server: &'a TestServer,
    user: String,
    organization: String,
}

impl TestServer {
    /// Makes a user a member of an organization, with the role `member` and no permissions. Has no effect if the user
    /// is already a member. Methods of the returned value set the role and the permissions.
    pub fn member(&self, user: &str, organization: &str) -> TestMember<'_> {
        TestMember::new(self, user, organization)
    }
}

impl<'a> TestMember<'a> {
    pub(super) fn new(server: &'a TestServer, user: &str, organization: &str) -> Self {
        server.describe_member(user, organization, None, None);
        Self {
            server,
            user: user.to_owned(),
            organization: organization.to_owned(),
        }
    }

    /// Sets the role: `admin` or `org:admin`.
    pub fn role(self, role: &str) -> Self {
        self.describe(Some(role), None);
        self
    }

    /// Sets the permissions, and removes all others.
    pub fn permissions<P: Into<String>>(self, permissions: impl IntoIterator<Item = P>) -> Self {
        let permissions: Vec<_> = permissions.into_iter().map(Into::into).collect();
        self.describe(None, Some(&permissions));
        self
    }

    fn describe(&self, role: Option<&str>, permissions: Option<&[String]>) {
        self.server
            .describe_member(&self.user, &self.organization, role, permissions);
    }
}
