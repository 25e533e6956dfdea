//! The TOML form of a directory. Nothing unknown is ignored: a misspelt key would take a permission away
//! without a word.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use super::Directory;
use super::role_key;
use crate::permission::Permission;
use crate::permission::is_word;

impl Directory {
    /// Reads a directory from TOML, whose form the crate's documentation shows.
    ///
    /// ```
    /// let directory = clerk_emulator::Directory::parse(
    ///     r#"
    ///     roles.reader.permissions = ["org:documents:read"]
    ///     users.kay = {}
    ///     organizations.parc.members = { kay = "reader" }
    ///     "#,
    /// )?;
    /// let kay = directory.membership("org_parc", "user_kay").unwrap();
    /// assert_eq!(kay.permissions, ["org:documents:read"]);
    /// # Ok::<(), clerk_emulator::DirectoryError>(())
    /// ```
    ///
    /// # Errors
    /// - [`DirectoryError::Toml`]: not TOML, or a key that is not known or of the wrong type.
    /// - [`DirectoryError::Name`], [`DirectoryError::Permission`], [`DirectoryError::DuplicatePermission`]:
    ///   a name or key that Clerk would not have.
    /// - [`DirectoryError::UnknownMember`], [`DirectoryError::UnknownRole`]: a member who is not declared, or
    ///   with a role that is not.
    pub fn parse(text: &str) -> Result<Self, DirectoryError> {
        let file: DirectoryFile = toml::from_str(text).map_err(|error| toml_error(text, &error))?;
        let mut directory = Self::empty();
        for (name, role) in file.roles {
            directory.read_role(&name, role)?;
        }
        for (name, user) in file.users {
            check_name("users", &name, "user_")?;
            directory.add_user(&name, user.name, user.email);
        }
        for (slug, organization) in file.organizations {
            directory.read_organization(&slug, organization)?;
        }
        Ok(directory)
    }

    fn read_role(&mut self, name: &str, role: RoleEntry) -> Result<(), DirectoryError> {
        check_name("roles", name, "org:")?;
        for (index, permission) in role.permissions.iter().enumerate() {
            let role_name = String::from(name);
            let permission = permission.clone();
            if Permission::parse(&permission).is_none() {
                return Err(DirectoryError::Permission {
                    role: role_name,
                    permission,
                });
            }
            if role
                .permissions
                .iter()
                .take(index)
                .any(|earlier| *earlier == permission)
            {
                return Err(DirectoryError::DuplicatePermission {
                    role: role_name,
                    permission,
                });
            }
        }
        self.roles.insert(role_key(name), role.permissions);
        Ok(())
    }

    fn read_organization(
        &mut self,
        slug: &str,
        organization: OrganizationEntry,
    ) -> Result<(), DirectoryError> {
        check_name("organizations", slug, "org_")?;
        self.add_organization(slug, organization.name);
        for (user, role) in organization.members {
            let organization = String::from(slug);
            if !self.users.contains_key(&format!("user_{user}")) {
                let known = join(self.users.values().map(|user| user.username.as_str()));
                return Err(DirectoryError::UnknownMember {
                    organization,
                    user,
                    known,
                });
            }
            if !self.roles.contains_key(&role_key(&role)) {
                let known = join(self.roles.keys().map(|key| super::short_name("org:", key)));
                return Err(DirectoryError::UnknownRole {
                    organization,
                    user,
                    role,
                    known,
                });
            }
            self.put_member(&user, slug, &role, None);
        }
        Ok(())
    }
}

/// Why a directory could not be read. Each names the place in the file.
///
/// ```
/// use clerk_emulator::{Directory, DirectoryError};
///
/// let error = Directory::parse("organizations.parc.members = { kay = 'reader' }").unwrap_err();
/// assert!(matches!(error, DirectoryError::UnknownMember { .. }));
/// assert_eq!(error.to_string(), "organizations.parc.members: there is no user `kay` (users: none)");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// A permission is listed twice for one role.
    #[error("roles.{role}.permissions: `{permission}` is listed twice")]
    DuplicatePermission {
        /// The role.
        role: String,
        /// The permission.
        permission: String,
    },
    /// A name has characters that an id must not have, or already starts with the prefix of one.
    #[error(
        "{table}.{name}: a name is letters, digits, `_` and `-`, without the prefix `{prefix}`"
    )]
    Name {
        /// `roles`, `users` or `organizations`.
        table: &'static str,
        /// The name as written.
        name: String,
        /// The prefix that is put before it.
        prefix: &'static str,
    },
    /// A permission is not `org:<feature>:<action>`.
    #[error("roles.{role}.permissions: `{permission}` is not of the form `org:<feature>:<action>`")]
    Permission {
        /// The role.
        role: String,
        /// The permission as written.
        permission: String,
    },
    /// Not TOML, or not of this form.
    #[error("line {line}: {message}")]
    Toml {
        /// The line in the file, counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A member is not among the users.
    #[error("organizations.{organization}.members: there is no user `{user}` (users: {known})")]
    UnknownMember {
        /// The organization.
        organization: String,
        /// The member as written.
        user: String,
        /// The users there are, separated by commas; `none` if there are none.
        known: String,
    },
    /// A member has a role that is not declared.
    #[error(
        "organizations.{organization}.members.{user}: there is no role `{role}` (roles: {known})"
    )]
    UnknownRole {
        /// The organization.
        organization: String,
        /// The member.
        user: String,
        /// The role as written.
        role: String,
        /// The roles there are, separated by commas; `none` if there are none.
        known: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryFile {
    #[serde(default)]
    roles: BTreeMap<String, RoleEntry>,
    #[serde(default)]
    users: BTreeMap<String, UserEntry>,
    #[serde(default)]
    organizations: BTreeMap<String, OrganizationEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    permissions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    name: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganizationEntry {
    name: Option<String>,
    #[serde(default)]
    members: BTreeMap<String, String>,
}

fn check_name(table: &'static str, name: &str, prefix: &'static str) -> Result<(), DirectoryError> {
    if is_word(name) && !name.starts_with(prefix) {
        return Ok(());
    }
    let name = String::from(name);
    Err(DirectoryError::Name {
        table,
        name,
        prefix,
    })
}

fn toml_error(text: &str, error: &toml::de::Error) -> DirectoryError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.bytes().take(start);
    DirectoryError::Toml {
        line: 1 + before.filter(|&byte| byte == b'\n').count(),
        message: String::from(error.message()),
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        String::from("none")
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Directory::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_text_is_an_empty_directory() {
        assert_eq!(Directory::parse("").unwrap(), Directory::empty());
    }

    #[test]
    fn a_role_may_be_written_with_its_prefix_where_it_is_used() {
        let text = "[roles.admin]\npermissions = []\n[users.ada]\n[organizations.acme]\nmembers = { ada = \"org:admin\" }";
        let directory = Directory::parse(text).unwrap();
        assert_eq!(
            directory.membership("org_acme", "user_ada").unwrap().role,
            "org:admin"
        );
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_line() {
        let message = refusal("[roles.admin]\npermisions = []\n");
        assert!(
            message.starts_with("line 2: unknown field `permisions`"),
            "{message}"
        );
    }

    #[test]
    fn broken_toml_is_refused_with_its_line() {
        assert!(refusal("[users.ada]\n\nname = \n").starts_with("line 3: "));
    }

    #[test]
    fn a_member_who_is_no_user_is_refused_with_the_known_ones() {
        let text = "[roles.admin]\npermissions = []\n[users.ada]\n[organizations.acme]\nmembers = { bob = \"admin\" }";
        assert_eq!(
            refusal(text),
            "organizations.acme.members: there is no user `bob` (users: ada)"
        );
    }

    #[test]
    fn a_role_that_is_not_declared_is_refused_with_the_known_ones() {
        let text = "[users.ada]\n[organizations.acme]\nmembers = { ada = \"owner\" }";
        assert_eq!(
            refusal(text),
            "organizations.acme.members.ada: there is no role `owner` (roles: none)"
        );
    }

    #[test]
    fn a_permission_of_another_form_is_refused() {
        let message = refusal("[roles.admin]\npermissions = [\"documents:read\"]");
        assert_eq!(
            message,
            "roles.admin.permissions: `documents:read` is not of the form `org:<feature>:<action>`"
        );
    }

    #[test]
    fn a_permission_listed_twice_is_refused() {
        let message = refusal("[roles.admin]\npermissions = [\"org:a:b\", \"org:a:b\"]");
        assert_eq!(
            message,
            "roles.admin.permissions: `org:a:b` is listed twice"
        );
    }

    #[test]
    fn a_name_with_a_prefix_or_a_space_is_refused() {
        assert!(refusal("[users.user_ada]").starts_with("users.user_ada: "));
        assert!(refusal("[organizations.\"a b\"]").starts_with("organizations.a b: "));
    }
}
