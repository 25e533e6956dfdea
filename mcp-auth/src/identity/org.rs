//! The organization in which a caller acts.

use std::sync::Arc;

use crate::identity::mark::Mark;

/// The organization in which a caller acts, with the caller's role and permissions there.
///
/// A session token contains all of this data. For an OAuth token, the server looks up the membership with its secret
/// key. It uses the result for at most 30 seconds. Without a secret key, or with
/// [`dangerous_trust_token_org`](crate::ServerBuilder::dangerous_trust_token_org), only the id is known. The slug, the
/// role and the permissions are then `None`, which means unknown, not empty. For an organization's API key, also only
/// the id is known, because the key is not a member of the organization. A user's API key and a machine act in no
/// organization.
///
/// ```
/// use mcp_auth::{Org, mcp_tool};
///
/// /// Tell the caller their role and permissions.
/// #[mcp_tool(read_only)]
/// async fn standing(org: &Org) -> String {
///     let name = org.slug().unwrap_or(org.id());
///     let role = org.role().unwrap_or("unknown");
///     let permissions = org.permissions().map_or("unknown".to_owned(), |all| all.join(" "));
///     let admin = if org.has_role("admin") { "an" } else { "no" };
///     let writer = if org.has_permission("org:documents:write") { "a" } else { "no" };
///     format!("{name}: {role}, {permissions}; {admin} admin, {writer} writer")
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let grace = server.user("grace").org("acme").permission("org:documents:read");
/// let told = grace.call("standing", json!({})).await;
/// let standing = "acme: org:member, org:documents:read; no admin, no writer";
/// assert_eq!(told.expect_ok().text(), standing);
///
/// let linus = server.user("linus");
/// linus.call("standing", json!({})).await.expect_denied("Organization context required");
/// # });
/// ```
///
/// Put the permissions that a tool always needs into its declaration (`permission = "…"`). Use the
/// methods of this type for permissions that depend on the arguments.
///
/// Source: <https://clerk.com/docs/organizations/roles-permissions>.
#[derive(Clone, Debug)]
pub struct Org {
    facts: Arc<OrgFacts>,
}

#[derive(Debug)]
struct OrgFacts {
    id: String,
    slug: Option<String>,
    role: Option<String>,
    permissions: Option<Vec<String>>,
}

impl Org {
    pub(crate) fn new(
        id: String,
        slug: Option<String>,
        role: Option<String>,
        permissions: Option<Vec<String>>,
    ) -> Self {
        Self {
            facts: Arc::new(OrgFacts {
                id,
                slug,
                role,
                permissions,
            }),
        }
    }

    /// Creates an organization with only its id: slug, role and permissions are unknown.
    pub(crate) fn only_id(id: String) -> Self {
        Self::new(id, None, None, None)
    }

    /// Returns a mark of this look-up. The mark does not keep the organization's data in memory.
    pub(crate) fn mark(&self) -> Mark {
        Mark::of(&self.facts)
    }

    /// Returns true if `mark` identifies this look-up.
    pub(crate) fn has_mark(&self, mark: &Mark) -> bool {
        mark.is_of(&self.facts)
    }

    /// Returns about how many bytes of memory the organization takes.
    pub(crate) fn weight(&self) -> usize {
        size_of::<OrgFacts>() + heap_size(self.permissions().unwrap_or_default())
    }

    /// Returns the organization's id (`org_…`).
    pub fn id(&self) -> &str {
        &self.facts.id
    }

    /// Returns the organization's slug. `None` if the organization has no slug, or if the slug is not known.
    pub fn slug(&self) -> Option<&str> {
        self.facts.slug.as_deref()
    }

    /// Returns the caller's role, such as `org:admin`. `None` if the role is not known.
    pub fn role(&self) -> Option<&str> {
        self.facts.role.as_deref()
    }

    /// Returns the caller's permissions, such as `org:documents:read`, in no particular order. `None` if the
    /// permissions are not known.
    ///
    /// Session tokens do not carry Clerk's system permissions (`org:sys_…`).
    pub fn permissions(&self) -> Option<&[String]> {
        self.facts.permissions.as_deref()
    }

    /// Returns true if the caller has this role. `admin` and `org:admin` name the same role.
    ///
    /// There is no hierarchy: an admin does not also have the role `member`. The result is false if the role
    /// is not known. It is also false if `role`, after an optional `org:`, has characters other than
    /// lower-case letters, digits, `_` and `-`.
    pub fn has_role(&self, role: &str) -> bool {
        let asked = role.strip_prefix(PREFIX).unwrap_or(role);
        // Clerk's `has()` removes every `org:` from the role of a token.
        let held = self.role().filter(|_| is_key(asked.as_bytes()));
        held.is_some_and(|held| without_prefix(held) == asked)
    }

    /// Returns true if the caller has this permission, such as `org:documents:read`.
    ///
    /// The comparison is exact and case-sensitive, without wildcards. The result is false if the permissions are not
    /// known, or if `permission` does not have the form `org:<feature>:<action>`. (Clerk's `has()` repairs other forms,
    /// but this method does not.)
    pub fn has_permission(&self, permission: &str) -> bool {
        let held = self.permissions().unwrap_or_default();
        is_permission(permission.as_bytes()) && held.iter().any(|held| held == permission)
    }
}

/// Returns true for the key of a role, a feature or an action: `[a-z0-9_-]+`.
pub(crate) const fn is_key(mut text: &[u8]) -> bool {
    if text.is_empty() {
        return false;
    }
    while let [byte, rest @ ..] = text {
        if !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') {
            return false;
        }
        text = rest;
    }
    true
}

/// Returns true for `org:<feature>:<action>`.
pub(crate) const fn is_permission(text: &[u8]) -> bool {
    let [b'o', b'r', b'g', b':', rest @ ..] = text else {
        return false;
    };
    let mut at = 0;
    while at < rest.len() {
        let (feature, tail) = rest.split_at(at);
        if let [b':', action @ ..] = tail {
            return is_key(feature) && is_key(action);
        }
        at += 1;
    }
    false
}

/// Returns about how many bytes of memory these texts take, including the overhead of their allocations.
pub(super) fn heap_size(texts: &[String]) -> usize {
    let each = texts
        .iter()
        .map(|text| size_of::<String>() + text.len() + 16);
    each.sum()
}

fn without_prefix(mut name: &str) -> &str {
    while let Some(rest) = name.strip_prefix(PREFIX) {
        name = rest;
    }
    name
}

const PREFIX: &str = "org:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_compared_without_their_prefixes() {
        let org = with(Some("org:org:admin"), None);
        assert!(org.has_role("admin") && org.has_role("org:admin"));
        for other in ["Admin", "member", "", "org:", "org:org:admin", " admin"] {
            assert!(!org.has_role(other), "{other}");
        }
    }

    #[test]
    fn an_unknown_or_empty_role_is_none() {
        assert!(!with(None, None).has_role("") && !with(Some(""), None).has_role(""));
    }

    #[test]
    fn a_permission_is_asked_for_by_its_exact_key() {
        let org = with(None, Some(&["org:documents:read", "org:org:a:b", "bare:c"]));
        assert!(org.has_permission("org:documents:read"));
        for other in [
            "documents:read",
            "org:org:documents:read",
            "org:org:a:b",
            "bare:c",
            "org:documents:Read",
            " org:documents:read",
            "org:documents:*",
            "org:documents",
        ] {
            assert!(!org.has_permission(other), "{other}");
        }
    }

    #[test]
    fn unknown_permissions_are_not_an_empty_list() {
        assert_eq!(with(None, None).permissions(), None);
        assert!(!with(None, None).has_permission("org:documents:read"));
        assert_eq!(with(None, Some(&[])).permissions(), Some(&[][..]));
    }

    fn with(role: Option<&str>, permissions: Option<&[&str]>) -> Org {
        let permissions = permissions.map(|all| all.iter().map(|&one| one.to_owned()).collect());
        Org::new(
            "org_1".to_owned(),
            None,
            role.map(str::to_owned),
            permissions,
        )
    }
}
