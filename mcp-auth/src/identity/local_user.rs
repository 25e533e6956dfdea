//! The user whom the code of a server over stdio names.

use crate::identity::caller::CallerParts;
use crate::identity::conventions::Conventions;
use crate::identity::org::{Org, is_key, is_permission};

/// The caller of a server over stdio, if the environment has no access token. The setting
/// [`ServerBuilder::local_user`](crate::ServerBuilder::local_user) takes a local user.
///
/// A local user has exactly the organization, the role, the permissions and the scopes that the code names. The guards
/// decide about a local user as about the user of an OAuth access token with these properties. The server asks no Clerk
/// instance about a local user, who therefore has no profile, no features, no plans and no session.
///
/// ```
/// use mcp_auth::LocalUser;
///
/// let ada = LocalUser::new("ada")
///     .org("acme")
///     .role("admin")
///     .permission("org:documents:delete")
///     .scope("documents:write");
/// # let _ = ada;
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a local user has no effect until a builder takes it"]
pub struct LocalUser {
    name: String,
    organization: Option<String>,
    role: Option<String>,
    permissions: Vec<String>,
    scopes: Vec<String>,
}

impl LocalUser {
    /// Names a user. The id of `ada` is `user_ada`, as at the local Clerk.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            organization: None,
            role: None,
            permissions: Vec::new(),
            scopes: Vec::new(),
        }
    }

    /// Sets the organization in which the user acts. The id of `acme` is `org_acme`.
    pub fn org(mut self, slug: impl Into<String>) -> Self {
        self.organization = Some(slug.into());
        self
    }

    /// Sets the role in the organization: `admin` or `org:admin`. By default there is no role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Adds a permission in the organization, such as `org:documents:delete`; may be called several times.
    pub fn permission(mut self, permission: impl Into<String>) -> Self {
        self.permissions.push(permission.into());
        self
    }

    /// Adds a scope; may be called several times. By default there are no scopes.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Returns the first invalid value, in words. `None` if all values are valid.
    pub(crate) fn mistake(&self) -> Option<String> {
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_name_byte);
        if !is_name(&self.name) {
            return Some(format!(
                "the name `{}` must consist of letters, digits, `_` and `-`",
                self.name
            ));
        }
        if let Some(organization) = self.organization.as_deref().filter(|name| !is_name(name)) {
            return Some(format!(
                "the organization `{organization}` must consist of letters, digits, `_` and `-`"
            ));
        }
        if self.organization.is_none() && (self.role.is_some() || !self.permissions.is_empty()) {
            return Some("a role and permissions need an organization: add `org(…)`".to_owned());
        }
        if let Some(role) = self.role.as_deref()
            && !is_key(without_prefix(role).as_bytes())
        {
            return Some(format!("the role `{role}` must look like `org:admin`"));
        }
        if let Some(permission) =
            (self.permissions.iter()).find(|one| !is_permission(one.as_bytes()))
        {
            return Some(format!(
                "the permission `{permission}` must look like `org:<feature>:<action>`"
            ));
        }
        // RFC 6749 §3.3.
        let is_scope_byte = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
        let is_scope = |scope: &&String| scope.is_empty() || !scope.bytes().all(is_scope_byte);
        let scope = self.scopes.iter().find(is_scope)?;
        Some(format!("`{scope}` is not a scope"))
    }

    pub(crate) fn subject(&self, conventions: &Conventions) -> String {
        id(conventions.user, &self.name)
    }

    /// Returns the data that a token of the user would have.
    pub(crate) fn parts(&self, conventions: &Conventions) -> CallerParts {
        let org = self.organization.as_deref().map(|organization| {
            let slug = organization.strip_prefix(conventions.organization);
            let role = self.role.as_deref().map(without_prefix);
            Org::new(
                id(conventions.organization, organization),
                Some(slug.unwrap_or(organization).to_owned()),
                role.map(|role| format!("org:{role}")),
                Some(self.permissions.clone()),
            )
        });
        CallerParts {
            scopes: self.scopes.clone(),
            org,
            ..CallerParts::default()
        }
    }

    /// Describes the user for the report of the start: `ada, admin of acme`.
    pub(crate) fn in_words(&self) -> String {
        let name = &self.name;
        match (&self.organization, self.role.as_deref()) {
            (None, _) => name.clone(),
            (Some(organization), None) => format!("{name} in {organization}"),
            (Some(organization), Some(role)) => {
                format!("{name}, {} of {organization}", without_prefix(role))
            }
        }
    }
}

impl From<&str> for LocalUser {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

fn id(prefix: &str, name: &str) -> String {
    match name.starts_with(prefix) {
        true => name.to_owned(),
        false => format!("{prefix}{name}"),
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn without_prefix(role: &str) -> &str {
    role.strip_prefix("org:").unwrap_or(role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support::CONVENTIONS;

    #[test]
    fn a_local_user_has_exactly_what_the_code_states() {
        let ada = LocalUser::new("ada")
            .org("acme")
            .role("admin")
            .permission("org:documents:read")
            .scope("documents");
        assert_eq!(ada.mistake(), None);
        assert_eq!(ada.subject(&CONVENTIONS), "user_ada");
        let parts = ada.parts(&CONVENTIONS);
        let org = parts.org.unwrap();
        assert_eq!((org.id(), org.slug()), ("org_acme", Some("acme")));
        assert!(org.has_role("admin") && org.has_permission("org:documents:read"));
        assert!(!org.has_permission("org:documents:delete"));
        assert_eq!(parts.scopes, ["documents"]);
        assert_eq!(ada.in_words(), "ada, admin of acme");
        let grace = LocalUser::new("grace").org("acme");
        assert_eq!(grace.in_words(), "grace in acme");
        let bob = LocalUser::from("user_bob");
        assert_eq!(bob.subject(&CONVENTIONS), "user_bob");
        let parts = bob.parts(&CONVENTIONS);
        assert!(parts.org.is_none() && parts.scopes.is_empty());
    }

    #[test]
    fn a_mistake_in_a_local_user_is_named() {
        let ada = LocalUser::new("ada").org("acme");
        for (user, mistake) in [
            (LocalUser::new(""), "the name ``"),
            (LocalUser::new("ada lovelace"), "the name `ada lovelace`"),
            (ada.clone().org("a b"), "the organization `a b`"),
            (LocalUser::new("ada").role("admin"), "add `org(…)`"),
            (ada.clone().role("Admin"), "the role `Admin`"),
            (
                ada.clone().permission("documents:read"),
                "the permission `documents:read`",
            ),
            (ada.clone().scope("a b"), "`a b` is not a scope"),
            (ada.scope(""), "`` is not a scope"),
        ] {
            let found = user.mistake().unwrap();
            assert!(found.contains(mistake), "{found}");
        }
    }
}
