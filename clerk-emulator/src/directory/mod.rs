//! The data of an instance: people, organizations, roles, memberships and machines. It contains no
//! keys and no tokens.
//!
//! Maps are keyed by Clerk's ids (`user_ada`, `org_acme`, `org:admin`, `mch_billing`), so lists
//! have a fixed order.

mod entries;
mod names;
mod parse;
mod problem;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::directory::entries::Member;
pub use crate::directory::entries::{Machine, Membership, Organization, User};
use crate::directory::names::{full_id, role_key, short_name};
pub(crate) use crate::directory::names::{join, machine_id, role_name};
pub use crate::directory::problem::{DirectoryError, DirectoryFileError, DirectoryProblem};
use crate::scope;

/// The people and organizations of an instance.
///
/// `Directory::default()` has the people `ada` (admin of `acme`), `grace` (member of `acme`), `linus` (in no
/// organization) and `margaret` (admin of `globex`). An admin may read, write and delete documents. A member may read
/// documents. `acme` is on the plan `team`, which includes the feature `reports`. The directory has two machines:
/// `billing` may talk to `mcp`, and `mcp` may talk to no machine.
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
/// To use other people, add them to [`Directory::empty`], or read a directory with
/// [`Directory::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The permissions of each role.
    roles: BTreeMap<String, Vec<String>>,
    users: BTreeMap<String, User>,
    organizations: BTreeMap<String, Organization>,
    /// The scopes of the instance in addition to Clerk's own scopes.
    scopes: BTreeSet<String>,
    machines: BTreeMap<String, Machine>,
}

impl Directory {
    /// A directory without people, organizations, roles, machines or scopes.
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
            scopes: BTreeSet::new(),
            machines: BTreeMap::new(),
        }
    }

    /// Lets `machine` talk to exactly `scoped_machines`. All machines are given by name or full id. An unknown machine
    /// in `scoped_machines` is added, and may talk to no machine.
    ///
    /// ```
    /// let mut directory = clerk_emulator::Directory::empty();
    /// directory.set_machine("reports", &["documents"]);
    /// assert_eq!(directory.machine("reports").unwrap().scoped_machines, ["mch_documents"]);
    /// assert!(directory.machine("mch_documents").unwrap().scoped_machines.is_empty());
    /// ```
    pub fn set_machine(&mut self, machine: &str, scoped_machines: &[&str]) {
        let ids = scoped_machines.iter().map(|other| machine_id(other));
        let ids: Vec<_> = ids.collect();
        for id in &ids {
            if !self.machines.contains_key(id) {
                self.put_machine(id, Vec::new());
            }
        }
        self.put_machine(machine, ids);
    }

    /// Makes `user` a member of `organization` with `role` and exactly `permissions`, regardless of
    /// the role's permissions.
    ///
    /// You can pass names or full ids: `ada` or `user_ada`, `acme` or `org_acme`, `admin` or `org:admin`. An unknown
    /// user, organization or role is added. An existing membership is replaced. Permissions are full keys and are not
    /// checked. If a session token cannot contain one of the permissions, [`Instance::mint`](crate::Instance::mint)
    /// fails for a session token of this member.
    pub fn set_member(&mut self, user: &str, organization: &str, role: &str, permissions: &[&str]) {
        let permissions = permissions.iter().map(|key| String::from(*key)).collect();
        self.put_member(user, organization, role, Some(permissions));
    }

    /// Adds permissions to a role, given as `admin` or `org:admin`. An unknown role is added.
    /// Permissions are full keys and are not checked.
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

    /// Sets the permissions of a role, given as `admin` or `org:admin`. An unknown role is added.
    /// Permissions are full keys and are not checked.
    ///
    /// ```
    /// let mut directory = clerk_emulator::Directory::default();
    /// directory.set_role("member", &["org:tickets:read"]);
    /// let grace = directory.membership("org_acme", "user_grace").unwrap();
    /// assert_eq!(grace.permissions, ["org:tickets:read"]);
    /// ```
    pub fn set_role(&mut self, role: &str, permissions: &[&str]) {
        self.roles.insert(role_key(role), Vec::new());
        self.grant(role, permissions);
    }

    /// Adds plans and features, by their slugs, to an organization or a user. The organization or user is given by full
    /// id. Returns `false` if the organization or user is unknown. Slugs are not checked.
    ///
    /// Only session tokens contain plans and features. At Clerk, permissions depend on plans. In the emulator,
    /// permissions do not depend on plans.
    ///
    /// ```
    /// let mut directory = clerk_emulator::Directory::default();
    /// assert!(directory.subscribe("org_globex", &["pro"], &["export"]));
    /// assert!(directory.subscribe("user_ada", &["plus"], &[]));
    /// assert_eq!(directory.organization("globex").unwrap().plans, ["pro"]);
    /// ```
    ///
    /// Source: <https://clerk.com/docs/guides/billing/overview>.
    pub fn subscribe(&mut self, id: &str, plans: &[&str], features: &[&str]) -> bool {
        let held = match (self.organizations.get_mut(id), self.users.get_mut(id)) {
            (Some(organization), _) => (&mut organization.plans, &mut organization.features),
            (None, Some(user)) => (&mut user.plans, &mut user.features),
            (None, None) => return false,
        };
        for (held, new) in [(held.0, plans), (held.1, features)] {
            for slug in new {
                if !held.iter().any(|known| known == slug) {
                    held.push(String::from(*slug));
                }
            }
        }
        true
    }

    /// Adds scopes to Clerk's own scopes, so that OAuth clients can request them. The added scopes
    /// are not checked.
    ///
    /// ```
    /// let mut directory = clerk_emulator::Directory::default();
    /// directory.add_scopes(&["documents:write", "documents:read"]);
    /// assert_eq!(directory.scopes().collect::<Vec<_>>(), ["documents:read", "documents:write"]);
    /// ```
    ///
    /// Source:
    /// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>.
    pub fn add_scopes(&mut self, scopes: &[&str]) {
        let clerks = |scope: &&&str| !scope::STANDARD.contains(*scope);
        let scopes = scopes.iter().filter(clerks);
        self.scopes.extend(scopes.map(|scope| String::from(*scope)));
    }

    /// The scopes that the instance adds to Clerk's own scopes, in alphabetical order.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// All scopes of the instance: first Clerk's own scopes, then the added scopes.
    pub(crate) fn supported_scopes(&self) -> Vec<&str> {
        scope::STANDARD.into_iter().chain(self.scopes()).collect()
    }

    /// Ends a membership, which is given by names or full ids. Returns whether the membership existed.
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

    /// The machine with this name or id.
    #[must_use]
    pub fn machine(&self, name_or_id: &str) -> Option<&Machine> {
        self.machines.get(&machine_id(name_or_id))
    }

    /// All people, in the order of their ids.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// All organizations, in the order of their ids.
    pub fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.values()
    }

    /// All machines, in the order of their ids.
    ///
    /// ```
    /// let directory = clerk_emulator::Directory::default();
    /// let names: Vec<_> = directory.machines().map(|machine| machine.name.as_str()).collect();
    /// assert_eq!(names, ["billing", "mcp"]);
    /// ```
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }

    /// The membership of a person in an organization, both given by full id. `None` if the person is not a member.
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
            role_name: role_name(&member.role),
            permissions: member.permissions.as_ref().unwrap_or(role).clone(),
        })
    }

    /// The members of an organization, which is given by full id.
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

    /// The memberships of a person, who is given by full id.
    pub fn memberships_of<'a>(&'a self, user_id: &'a str) -> impl Iterator<Item = Membership> + 'a {
        self.organizations
            .keys()
            .filter_map(move |organization_id| self.membership(organization_id, user_id))
    }

    /// A text for people to read: a line for each person, with the person's organizations and
    /// roles, in the order of the ids.
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

    /// The key and the permissions of every role, in the order of the keys.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&str, &[String])> {
        let roles = self.roles.iter();
        roles.map(|(key, permissions)| (key.as_str(), permissions.as_slice()))
    }

    /// The person with this name or id, mutably.
    pub(crate) fn user_mut(&mut self, name_or_id: &str) -> Option<&mut User> {
        self.users.get_mut(&full_id("user_", name_or_id))
    }

    /// Removes a person, given by name or full id, and the person's memberships.
    pub(crate) fn remove_user(&mut self, name_or_id: &str) -> bool {
        let id = full_id("user_", name_or_id);
        for organization in self.organizations.values_mut() {
            organization.members.remove(&id);
        }
        self.users.remove(&id).is_some()
    }

    /// Returns true if there is a role with this key (`org:admin`).
    pub(crate) fn has_role(&self, key: &str) -> bool {
        self.roles.contains_key(key)
    }

    /// Adds or replaces a membership, and adds the user, the organization and the role if they are
    /// unknown.
    pub(crate) fn put_member(
        &mut self,
        user: &str,
        organization: &str,
        role: &str,
        permissions: Option<Vec<String>>,
    ) {
        let user = full_id("user_", user);
        if !self.users.contains_key(&user) {
            self.add_user(User::named(short_name("user_", &user)));
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

    fn add_user(&mut self, user: User) {
        self.users.insert(user.id.clone(), user);
    }

    fn put_machine(&mut self, machine: &str, scoped_machines: Vec<String>) {
        let id = machine_id(machine);
        let machine = Machine {
            name: String::from(short_name("mch_", &id)),
            id: id.clone(),
            scoped_machines,
        };
        self.machines.insert(id, machine);
    }

    fn add_organization(&mut self, slug: &str, name: Option<String>) {
        let organization = Organization {
            id: format!("org_{slug}"),
            slug: String::from(slug),
            name: name.unwrap_or_else(|| String::from(slug)),
            plans: Vec::new(),
            features: Vec::new(),
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
            directory.add_user(User {
                name: name.into(),
                email: Some(format!("{username}@example.com")),
                ..User::named(username)
            });
        }
        directory.add_organization("acme", Some("Acme".into()));
        directory.add_organization("globex", Some("Globex".into()));
        directory.put_member("ada", "acme", "admin", None);
        directory.put_member("grace", "acme", "member", None);
        directory.put_member("margaret", "globex", "admin", None);
        directory.subscribe("org_acme", &["team"], &["reports"]);
        directory.set_machine("billing", &["mcp"]);
        directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_an_organization_are_found_by_name_and_by_full_id() {
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
    fn a_new_member_adds_an_unknown_user_organization_and_role() {
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
    fn permissions_of_a_member_replace_the_permissions_of_the_role() {
        let mut directory = Directory::default();
        directory.set_member("ada", "acme", "admin", &[]);
        let membership = directory.membership("org_acme", "user_ada").unwrap();
        assert_eq!(membership.role, "org:admin");
        assert!(membership.permissions.is_empty());
    }

    #[test]
    fn a_removed_user_leaves_no_membership() {
        let mut directory = Directory::default();
        assert!(directory.remove_user("ada"));
        assert!(!directory.remove_user("user_ada"));
        assert!(directory.user("ada").is_none());
        let left: Vec<_> = directory.members_of("org_acme").collect();
        assert_eq!(left.len(), 1);
        directory.set_member("ada", "globex", "member", &[]);
        assert_eq!(directory.memberships_of("user_ada").count(), 1);
    }

    #[test]
    fn setting_a_known_machine_replaces_its_scopes() {
        let mut directory = Directory::default();
        directory.set_machine("mch_mcp", &["billing"]);
        let scopes = |name| directory.machine(name).unwrap().scoped_machines.clone();
        assert_eq!(scopes("mcp"), ["mch_billing"]);
        assert_eq!(scopes("billing"), ["mch_mcp"]);
    }

    #[test]
    fn removing_a_member_leaves_the_other_members() {
        let mut directory = Directory::default();
        assert!(directory.remove_member("ada", "acme"));
        assert!(!directory.remove_member("ada", "acme"));
        assert!(directory.membership("org_acme", "user_ada").is_none());
        assert!(directory.membership("org_acme", "user_grace").is_some());
    }
}
