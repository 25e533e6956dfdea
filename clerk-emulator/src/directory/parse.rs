//! The TOML form of a directory.
//!
//! An unknown key is an error. Otherwise a misspelt key could remove a permission, and nobody would notice.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::directory::names::{join, role_key, short_name};
use crate::directory::problem::position;
use crate::directory::{Directory, DirectoryError, DirectoryFileError, DirectoryProblem, User};
use crate::permission::{Permission, is_word};
use crate::scope;

impl Directory {
    /// Reads a directory from TOML. The crate's documentation shows the form.
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
    /// The error names the line, the column and one of these problems:
    ///
    /// - [`DirectoryProblem::Toml`]: the text is not TOML, or a key is unknown or has the wrong
    ///   type.
    /// - [`DirectoryProblem::Name`], [`DirectoryProblem::Permission`],
    ///   [`DirectoryProblem::DuplicatePermission`]: Clerk would not accept the name or permission.
    /// - [`DirectoryProblem::Scope`]: a scope is malformed, or is one of Clerk's own scopes.
    /// - [`DirectoryProblem::Slug`]: a session token cannot contain the plan or feature.
    /// - [`DirectoryProblem::UnknownMember`], [`DirectoryProblem::UnknownRole`]: a member, or a
    ///   member's role, is not declared.
    /// - [`DirectoryProblem::UnknownMachine`]: a machine in `scoped_machines` is not declared.
    pub fn parse(text: &str) -> Result<Self, DirectoryError> {
        Self::parse_checked(text).map_err(|problem| {
            let (line, column) = position(text, problem.offset(text));
            DirectoryError {
                line,
                column,
                problem,
            }
        })
    }

    /// Reads a directory from a TOML file. The crate's documentation shows the form.
    ///
    /// ```
    /// use clerk_emulator::Directory;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("clerk.toml");
    /// std::fs::write(&path, "users.kay = {}")?;
    /// assert!(Directory::read(&path)?.user("kay").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`DirectoryFileError::Invalid`]: the content is not a valid directory; see
    ///   [`parse`](Self::parse).
    /// - [`DirectoryFileError::Unreadable`]: the file does not exist, cannot be read, or is not
    ///   UTF-8.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DirectoryFileError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|source| DirectoryFileError::Unreadable {
            path: path.into(),
            source,
        })?;
        Self::parse(&text).map_err(|source| DirectoryFileError::Invalid {
            path: path.into(),
            source: Box::new(source),
        })
    }

    fn parse_checked(text: &str) -> Result<Self, DirectoryProblem> {
        let file: DirectoryFile = toml::from_str(text).map_err(|error| toml_problem(&error))?;
        let mut directory = Self::empty();
        for (name, role) in file.roles {
            directory.read_role(&name, role)?;
        }
        for (name, user) in file.users {
            check_name("users", &name, "user_")?;
            check_slugs("users", &name, &user.subscription())?;
            directory.add_user(user.into_user(&name));
        }
        for (slug, organization) in file.organizations {
            directory.read_organization(&slug, organization)?;
        }
        for scope in &file.scopes {
            if !scope::is_scope(scope) || scope::STANDARD.contains(&scope.as_str()) {
                let scope = scope.clone();
                return Err(DirectoryProblem::Scope { scope });
            }
            directory.add_scopes(&[scope]);
        }
        for (name, machine) in &file.machines {
            check_name("machines", name, "mch_")?;
            for other in &machine.scoped_machines {
                if !file.machines.contains_key(other) {
                    let known = join(file.machines.keys().map(String::as_str));
                    return Err(DirectoryProblem::UnknownMachine {
                        machine: name.clone(),
                        other: other.clone(),
                        known,
                    });
                }
            }
            let others: Vec<_> = machine.scoped_machines.iter().map(String::as_str).collect();
            directory.set_machine(name, &others);
        }
        Ok(directory)
    }

    fn read_role(&mut self, name: &str, role: RoleEntry) -> Result<(), DirectoryProblem> {
        check_name("roles", name, "org:")?;
        for (index, permission) in role.permissions.iter().enumerate() {
            let role_name = String::from(name);
            let permission = permission.clone();
            if Permission::parse(&permission).is_none() {
                return Err(DirectoryProblem::Permission {
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
                return Err(DirectoryProblem::DuplicatePermission {
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
    ) -> Result<(), DirectoryProblem> {
        check_name("organizations", slug, "org_")?;
        check_slugs("organizations", slug, &organization.subscription())?;
        self.add_organization(slug, organization.name);
        if let Some(added) = self.organizations.get_mut(&format!("org_{slug}")) {
            added.plans = organization.plans;
            added.features = organization.features;
        }
        for (user, role) in organization.members {
            let organization = String::from(slug);
            if !self.users.contains_key(&format!("user_{user}")) {
                let known = join(self.users.values().map(|user| user.username.as_str()));
                return Err(DirectoryProblem::UnknownMember {
                    organization,
                    user,
                    known,
                });
            }
            if !self.roles.contains_key(&role_key(&role)) {
                let known = join(self.roles.keys().map(|key| short_name("org:", key)));
                return Err(DirectoryProblem::UnknownRole {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryFile {
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: BTreeMap<String, RoleEntry>,
    #[serde(default)]
    users: BTreeMap<String, UserEntry>,
    #[serde(default)]
    organizations: BTreeMap<String, OrganizationEntry>,
    #[serde(default)]
    machines: BTreeMap<String, MachineEntry>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table like `admin = { permissions = [\"org:documents:read\"] }`"
)]
struct RoleEntry {
    permissions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table like `ada = { name = \"Ada Lovelace\" }`"
)]
struct UserEntry {
    name: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    image_url: Option<String>,
    #[serde(default)]
    plans: Vec<String>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    banned: bool,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    public_metadata: Map<String, Value>,
    #[serde(default)]
    private_metadata: Map<String, Value>,
    #[serde(default)]
    unsafe_metadata: Map<String, Value>,
}

impl UserEntry {
    fn subscription(&self) -> [(&'static str, &[String]); 2] {
        [("plans", &self.plans), ("features", &self.features)]
    }

    fn into_user(self, username: &str) -> User {
        let named = User::named(username);
        User {
            name: self.name.unwrap_or(named.name),
            email: self.email,
            email_verified: self.email_verified.unwrap_or(named.email_verified),
            image_url: self.image_url,
            plans: self.plans,
            features: self.features,
            banned: self.banned,
            locked: self.locked,
            public_metadata: self.public_metadata,
            private_metadata: self.private_metadata,
            unsafe_metadata: self.unsafe_metadata,
            id: named.id,
            username: named.username,
        }
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table like `billing = { scoped_machines = [\"mcp\"] }`"
)]
struct MachineEntry {
    #[serde(default)]
    scoped_machines: Vec<String>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table like `acme = { members = { ada = \"admin\" } }`"
)]
struct OrganizationEntry {
    name: Option<String>,
    #[serde(default)]
    plans: Vec<String>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    members: BTreeMap<String, String>,
}

impl OrganizationEntry {
    fn subscription(&self) -> [(&'static str, &[String]); 2] {
        [("plans", &self.plans), ("features", &self.features)]
    }
}

fn check_name(
    table: &'static str,
    name: &str,
    prefix: &'static str,
) -> Result<(), DirectoryProblem> {
    if is_word(name) && !name.starts_with(prefix) {
        return Ok(());
    }
    let name = String::from(name);
    Err(DirectoryProblem::Name {
        table,
        name,
        prefix,
    })
}

fn check_slugs(
    table: &'static str,
    name: &str,
    subscription: &[(&'static str, &[String]); 2],
) -> Result<(), DirectoryProblem> {
    for (key, slugs) in subscription {
        if let Some(slug) = slugs.iter().find(|slug| !is_word(slug)) {
            return Err(DirectoryProblem::Slug {
                table,
                name: String::from(name),
                key,
                slug: slug.clone(),
            });
        }
    }
    Ok(())
}

fn toml_problem(error: &toml::de::Error) -> DirectoryProblem {
    DirectoryProblem::Toml {
        offset: error.span().map_or(0, |span| span.start),
        message: String::from(error.message()),
    }
}

#[cfg(test)]
mod tests;
