//! People, organizations, roles and memberships: what Clerk knows, without keys or tokens.
//!
//! Maps are keyed by Clerk's ids (`user_ada`, `org_acme`, `org:admin`), so listings are in a fixed order.

mod parse;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use parse::DirectoryError;

/// The people and organizations of an instance.
///
/// `Directory::default()` has `ada` (admin of `acme`), `grace` (member of `acme`), `linus` (in no
/// organization) and `margaret` (admin of `globex`); an admin may read, write and delete documents, a
/// member read them.
///
/// ```
/// use clerk_emulator::Directory;
///
/// let mut directory = Directory::default();
/// assert_eq!(directory.user("ada").unwrap().name, "Ada Lovelace");
/// assert_eq!(directory.organization("org_acme").unwrap().slug, "acme");
/// assert_eq!(directory.users().count(), 4);
/// assert_eq!(directory.organizations().count(), 2);
///
/// directory.set_member("linus", "globex", "member", &["org:documents:read"]);
/// let linus = directory.membership("org_globex", "user_linus").unwrap();
/// assert_eq!((linus.role.as_str(), linus.role_name.as_str()), ("org:member", "Member"));
/// assert_eq!(directory.members_of("org_globex").count(), 2);
/// assert!(directory.who_is_who().contains("Linus Torvalds (org:member of globex)"));
///
/// assert!(directory.remove_member("linus", "globex"));
/// assert_eq!(directory.memberships_of("user_linus").count(), 0);
/// ```
///
/// Another one is built up from [`Directory::empty`], or read by [`Directory::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The permissions of each role.
    roles: BTreeMap<String, Vec<String>>,
    users: BTreeMap<String, User>,
    organizations: BTreeMap<String, Organization>,
}

/// A person; what of Clerk's user is needed.
///
/// ```
/// let directory = clerk_emulator::Directory::default();
/// let ada = directory.user("ada").unwrap();
/// assert_eq!((ada.id.as_str(), ada.username.as_str()), ("user_ada", "ada"));
/// assert_eq!((ada.name.as_str(), ada.email.as_deref()), ("Ada Lovelace", Some("ada@example.com")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Clerk's id: `user_` and the username.
    pub id: String,
    /// The short name, as the directory file has it.
    pub username: String,
    /// The full name; the username if the directory has none.
    pub name: String,
    /// The primary e-mail address; `None` if the directory has none.
    pub email: Option<String>,
}

/// An organization; who is in it, [`Directory::members_of`] tells.
///
/// ```
/// let directory = clerk_emulator::Directory::default();
/// let acme = directory.organization("acme").unwrap();
/// assert_eq!((acme.id.as_str(), acme.slug.as_str(), acme.name.as_str()), ("org_acme", "acme", "Acme"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Organization {
    /// Clerk's id: `org_` and the slug.
    pub id: String,
    /// The short name, as the directory file has it.
    pub slug: String,
    /// The name that people see; the slug if the directory has none.
    pub name: String,
    members: BTreeMap<String, Member>,
}

/// What a person is in one organization.
///
/// ```
/// let directory = clerk_emulator::Directory::default();
/// let grace = directory.membership("org_acme", "user_grace").unwrap();
/// assert_eq!((grace.id.as_str(), grace.slug.as_str(), grace.name.as_str()), ("org_acme", "acme", "Acme"));
/// assert_eq!((grace.role.as_str(), grace.role_name.as_str()), ("org:member", "Member"));
/// assert_eq!(grace.permissions, ["org:documents:read"]);
/// assert!(directory.membership("org_acme", "user_linus").is_none());
/// ```
///
/// Source: `GET /v1/organizations/{id}/memberships`, <https://clerk.com/docs/reference/backend-api>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Membership {
    /// The organization's id.
    pub id: String,
    /// The organization's slug.
    pub slug: String,
    /// The organization's name.
    pub name: String,
    /// The id of the person.
    pub user_id: String,
    /// The role's key, `org:admin`.
    pub role: String,
    /// The role's name, `Admin`.
    pub role_name: String,
    /// Full keys, `org:documents:read`; system permissions (`org:sys_…`) too if the role has them.
    pub permissions: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    role: String,
    /// In place of the role's permissions.
    permissions: Option<Vec<String>>,
}

impl Directory {
    /// A directory of nobody and nothing, not even a role.
    ///
    /// ```
    /// let mut directory = clerk_emulator::Directory::empty();
    /// directory.set_member("kay", "parc", "fellow", &["org:notes:read"]);
    /// assert!(directory.user("kay").is_some() && directory.organization("parc").is_some());
    /// ```
    #[must_use]
    pub fn empty() -> Self {
        Self {
            roles: BTreeMap::new(),
            users: BTreeMap::new(),
            organizations: BTreeMap::new(),
        }
    }

    /// Makes `user` a member of `organization` with `role` and exactly `permissions`, whatever the role has.
    ///
    /// Names and full ids both do: `ada` and `user_ada`, `acme` and `org_acme`, `admin` and `org:admin`.
    /// An unknown user, organization or role is added; a membership that is there is replaced. Permissions
    /// are full keys, and not checked: one that no session token can carry makes
    /// [`Instance::mint`](crate::Instance::mint) of such a token fail.
    pub fn set_member(&mut self, user: &str, organization: &str, role: &str, permissions: &[&str]) {
        let permissions = permissions.iter().map(|key| String::from(*key)).collect();
        self.put_member(user, organization, role, Some(permissions));
    }

    /// Gives a role, `admin` or `org:admin`, permissions beside those that it has; an unknown role is
    /// added. Permissions are full keys, and not checked.
    ///
    /// ```
    /// let mut directory = clerk_emulator::Directory::default();
    /// directory.grant("member", &["org:tickets:read"]);
    /// let grace = directory.membership("org_acme", "user_grace").unwrap();
    /// assert_eq!(grace.permissions, ["org:documents:read", "org:tickets:read"]);
    /// ```
    pub fn grant(&mut self, role: &str, permissions: &[&str]) {
        let held = self.roles.entry(role_key(role)).or_default();
        for permission in permissions {
            if !held.iter().any(|known| known == permission) {
                held.push(String::from(*permission));
            }
        }
    }

    /// Ends a membership, given by names or full ids. Returns whether there was one.
    pub fn remove_member(&mut self, user: &str, organization: &str) -> bool {
        let user = full_id("user_", user);
        let organization = full_id("org_", organization);
        self.organizations
            .get_mut(&organization)
            .is_some_and(|organization| organization.members.remove(&user).is_some())
    }

    /// The person with this name or id.
    #[must_use]
    pub fn user(&self, name_or_id: &str) -> Option<&User> {
        self.users.get(&full_id("user_", name_or_id))
    }

    /// The organization with this slug or id.
    #[must_use]
    pub fn organization(&self, slug_or_id: &str) -> Option<&Organization> {
        let id = full_id("org_", slug_or_id);
        self.organizations.get(&id)
    }

    /// Everybody, in the order of their ids.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Every organization, in the order of their ids.
    pub fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.values()
    }

    /// What the person is in the organization, both by full id; `None` if no member.
    #[must_use]
    pub fn membership(&self, organization_id: &str, user_id: &str) -> Option<Membership> {
        let organization = self.organizations.get(organization_id)?;
        let member = organization.members.get(user_id)?;
        let role = self.roles.get(&member.role)?;
        Some(Membership {
            id: organization.id.clone(),
            slug: organization.slug.clone(),
            name: organization.name.clone(),
            user_id: String::from(user_id),
            role: member.role.clone(),
            role_name: spoken(short_name("org:", &member.role)),
            permissions: member.permissions.as_ref().unwrap_or(role).clone(),
        })
    }

    /// The members of an organization, by full id.
    pub fn members_of<'a>(
        &'a self,
        organization_id: &'a str,
    ) -> impl Iterator<Item = Membership> + 'a {
        let organization = self.organizations.get(organization_id);
        let ids = organization
            .into_iter()
            .flat_map(|organization| organization.members.keys());
        ids.filter_map(move |user_id| self.membership(organization_id, user_id))
    }

    /// The memberships of a person, by full id.
    pub fn memberships_of<'a>(&'a self, user_id: &'a str) -> impl Iterator<Item = Membership> + 'a {
        self.organizations
            .keys()
            .filter_map(move |organization_id| self.membership(organization_id, user_id))
    }

    /// People and what they are where, one a line in the order of their ids, for a reader.
    #[must_use]
    pub fn who_is_who(&self) -> String {
        let mut text = String::new();
        for user in self.users() {
            let memberships = self.memberships_of(&user.id);
            let places: Vec<_> = memberships
                .map(|it| format!("{} of {}", it.role, it.slug))
                .collect();
            let places = if places.is_empty() {
                String::from("in no organization")
            } else {
                places.join(", ")
            };
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "  {:<12} {} ({places})", user.username, user.name);
        }
        text
    }

    /// Whether a role of this key (`org:admin`) is known.
    pub(crate) fn has_role(&self, key: &str) -> bool {
        self.roles.contains_key(key)
    }

    /// Adds a membership, and with it whatever of user, organization and role is not there yet.
    pub(crate) fn put_member(
        &mut self,
        user: &str,
        organization: &str,
        role: &str,
        permissions: Option<Vec<String>>,
    ) {
        let user = full_id("user_", user);
        if !self.users.contains_key(&user) {
            self.add_user(short_name("user_", &user), None, None);
        }
        let role = role_key(role);
        if !self.roles.contains_key(&role) {
            self.roles.insert(role.clone(), Vec::new());
        }
        let id = full_id("org_", organization);
        if !self.organizations.contains_key(&id) {
            self.add_organization(short_name("org_", &id), None);
        }
        if let Some(organization) = self.organizations.get_mut(&id) {
            organization
                .members
                .insert(user, Member { role, permissions });
        }
    }

    fn add_user(&mut self, username: &str, name: Option<String>, email: Option<String>) {
        let user = User {
            id: format!("user_{username}"),
            username: String::from(username),
            name: name.unwrap_or_else(|| String::from(username)),
            email,
        };
        self.users.insert(user.id.clone(), user);
    }

    fn add_organization(&mut self, slug: &str, name: Option<String>) {
        let organization = Organization {
            id: format!("org_{slug}"),
            slug: String::from(slug),
            name: name.unwrap_or_else(|| String::from(slug)),
            members: BTreeMap::new(),
        };
        self.organizations
            .insert(organization.id.clone(), organization);
    }
}

impl Default for Directory {
    fn default() -> Self {
        let mut directory = Self::empty();
        let keys = |actions: &[&str]| {
            actions
                .iter()
                .map(|action| format!("org:documents:{action}"))
                .collect()
        };
        directory
            .roles
            .insert(role_key("admin"), keys(&["read", "write", "delete"]));
        directory.roles.insert(role_key("member"), keys(&["read"]));
        for (username, name) in [
            ("ada", "Ada Lovelace"),
            ("grace", "Grace Hopper"),
            ("linus", "Linus Torvalds"),
            ("margaret", "Margaret Hamilton"),
        ] {
            directory.add_user(
                username,
                Some(name.into()),
                Some(format!("{username}@example.com")),
            );
        }
        directory.add_organization("acme", Some("Acme".into()));
        directory.add_organization("globex", Some("Globex".into()));
        directory.put_member("ada", "acme", "admin", None);
        directory.put_member("grace", "acme", "member", None);
        directory.put_member("margaret", "globex", "admin", None);
        directory
    }
}

/// The id that `name_or_id` means. No name starts with the prefix, so there is one reading.
fn full_id(prefix: &str, name_or_id: &str) -> String {
    format!("{prefix}{}", short_name(prefix, name_or_id))
}

fn short_name<'a>(prefix: &str, id: &'a str) -> &'a str {
    id.strip_prefix(prefix).unwrap_or(id)
}

/// The key of a role given as `admin` or `org:admin`.
fn role_key(role: &str) -> String {
    full_id("org:", role)
}

/// A role's key as people read it: `Billing manager`.
fn spoken(role: &str) -> String {
    let mut characters = role
        .chars()
        .map(|character| if character == '_' { ' ' } else { character });
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_full_ids_mean_the_same() {
        let directory = Directory::default();
        assert_eq!(directory.user("ada"), directory.user("user_ada"));
        assert_eq!(
            directory.organization("acme"),
            directory.organization("org_acme")
        );
        assert!(directory.user("ada").is_some());
        assert!(directory.user("nobody").is_none());
    }

    #[test]
    fn a_new_member_brings_user_organization_and_role() {
        let mut directory = Directory::empty();
        directory.set_member("kay", "org_parc", "org:fellow", &["org:notes:read"]);
        let membership = directory.membership("org_parc", "user_kay").unwrap();
        assert_eq!(membership.role, "org:fellow");
        assert_eq!(membership.role_name, "Fellow");
        assert_eq!(membership.slug, "parc");
        assert_eq!(membership.permissions, ["org:notes:read"]);
        assert_eq!(directory.user("kay").unwrap().id, "user_kay");
    }

    #[test]
    fn permissions_of_a_member_replace_those_of_the_role() {
        let mut directory = Directory::default();
        directory.set_member("ada", "acme", "admin", &[]);
        let membership = directory.membership("org_acme", "user_ada").unwrap();
        assert_eq!(membership.role, "org:admin");
        assert!(membership.permissions.is_empty());
    }

    #[test]
    fn a_removed_member_is_gone_and_the_others_stay() {
        let mut directory = Directory::default();
        assert!(directory.remove_member("ada", "acme"));
        assert!(!directory.remove_member("ada", "acme"));
        assert!(directory.membership("org_acme", "user_ada").is_none());
        assert!(directory.membership("org_acme", "user_grace").is_some());
    }
}
