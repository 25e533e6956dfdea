//! The entries of a directory: people, machines, organizations and memberships.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A person: the fields of Clerk's user object that the emulator needs.
///
/// ```
/// let directory = clerk_emulator::Directory::default();
/// let ada = directory.user("ada").unwrap();
/// assert_eq!((ada.id.as_str(), ada.username.as_str()), ("user_ada", "ada"));
/// assert_eq!((ada.name.as_str(), ada.email.as_deref()), ("Ada Lovelace", Some("ada@example.com")));
/// assert!(ada.email_verified && !ada.banned && !ada.locked && ada.image_url.is_none());
/// assert!(ada.public_metadata.is_empty());
/// ```
///
/// Source: `GET /v1/users/{id}`, <https://clerk.com/docs/reference/backend-api>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Clerk's id: `user_` and the username.
    pub id: String,
    /// The short name, as written in the directory file.
    pub username: String,
    /// The full name. If the directory has no full name, the username.
    pub name: String,
    /// The primary e-mail address. `None` if the directory has no address.
    pub email: Option<String>,
    /// Whether the address is verified. `true` if the directory does not say.
    pub email_verified: bool,
    /// The URL of the person's picture. `None` if the directory has no picture.
    pub image_url: Option<String>,
    /// The slugs of the person's plans. A person without a plan is on `free`.
    pub plans: Vec<String>,
    /// The slugs of the features that the person's plans include.
    pub features: Vec<String>,
    /// Whether the person is banned.
    pub banned: bool,
    /// Whether the person is temporarily locked out.
    pub locked: bool,
    /// Metadata that everybody may see.
    pub public_metadata: Map<String, Value>,
    /// Metadata that only a holder of the secret key may see.
    pub private_metadata: Map<String, Value>,
    /// Metadata that the person may change.
    pub unsafe_metadata: Map<String, Value>,
}

/// A machine: a program that authenticates to other machines with machine-to-machine tokens.
///
/// ```
/// let directory = clerk_emulator::Directory::default();
/// let billing = directory.machine("billing").unwrap();
/// assert_eq!((billing.id.as_str(), billing.name.as_str()), ("mch_billing", "billing"));
/// assert_eq!(billing.scoped_machines, ["mch_mcp"]);
/// ```
///
/// Source: <https://clerk.com/docs/guides/development/machine-auth/m2m-tokens>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// Clerk's id: `mch_` and the name.
    pub id: String,
    /// The name, as written in the directory file.
    pub name: String,
    /// The ids of the machines to which this machine may talk.
    pub scoped_machines: Vec<String>,
}

/// An organization. [`Directory::members_of`](crate::Directory::members_of) lists its members.
///
/// ```
/// let directory = clerk_emulator::Directory::default();
/// let acme = directory.organization("acme").unwrap();
/// assert_eq!((acme.id.as_str(), acme.slug.as_str(), acme.name.as_str()), ("org_acme", "acme", "Acme"));
/// assert_eq!((acme.plans.as_slice(), acme.features.as_slice()), (&["team".into()][..], &["reports".into()][..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Organization {
    /// Clerk's id: `org_` and the slug.
    pub id: String,
    /// The short name, as written in the directory file.
    pub slug: String,
    /// The display name. If the directory has no display name, the slug.
    pub name: String,
    /// The slugs of the organization's plans. An organization without a plan is on `free`.
    pub plans: Vec<String>,
    /// The slugs of the features that the organization's plans include.
    pub features: Vec<String>,
    pub(super) members: BTreeMap<String, Member>,
}

/// A person's membership of one organization: role and permissions.
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
/// Source: `GET /v1/organizations/{id}/memberships`,
/// <https://clerk.com/docs/reference/backend-api>.
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
    /// The key of the role, such as `org:admin`.
    pub role: String,
    /// The name of the role, such as `Admin`.
    pub role_name: String,
    /// The full keys of the permissions, such as `org:documents:read`, including system permissions
    /// (`org:sys_…`) of the role.
    pub permissions: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) role: String,
    /// The member's own permissions. They replace the permissions of the role.
    pub(super) permissions: Option<Vec<String>>,
}

impl User {
    /// A person with a username, and default values for all other fields.
    pub(super) fn named(username: &str) -> Self {
        Self {
            id: format!("user_{username}"),
            username: String::from(username),
            name: String::from(username),
            email: None,
            email_verified: true,
            image_url: None,
            plans: Vec::new(),
            features: Vec::new(),
            banned: false,
            locked: false,
            public_metadata: Map::new(),
            private_metadata: Map::new(),
            unsafe_metadata: Map::new(),
        }
    }
}
