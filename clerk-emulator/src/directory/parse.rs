//! The TOML form of a directory.
//!
//! An unknown key is an error: if misspelt keys were ignored, a permission could be missing without
//! notice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Directory, User, role_key};
use crate::oauth::scope;
use crate::permission::{Permission, is_word};

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
    /// - [`DirectoryProblem::Scope`]: a scope is malformed, or it is one of Clerk's own.
    /// - [`DirectoryProblem::Slug`]: a session token cannot carry the plan or feature.
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
                let known = join(self.roles.keys().map(|key| super::short_name("org:", key)));
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

/// The reason why a text is not a directory, with its place in the text.
///
/// ```
/// use clerk_emulator::{Directory, DirectoryProblem};
///
/// let error = Directory::parse("organizations.parc.members = { kay = 'reader' }").unwrap_err();
/// assert!(matches!(error.problem, DirectoryProblem::UnknownMember { .. }));
/// assert_eq!(
///     error.to_string(),
///     "line 1, column 32: organizations.parc.members: there is no user `kay` (users: none)"
/// );
/// ```
#[derive(Debug, Error)]
#[error("line {line}, column {column}: {problem}")]
#[non_exhaustive]
pub struct DirectoryError {
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
    /// The problem at that place.
    pub problem: DirectoryProblem,
}

/// The reason why a file is not a directory.
///
/// ```
/// use clerk_emulator::{Directory, DirectoryFileError};
///
/// let error = Directory::read("no-such-file.toml").unwrap_err();
/// assert!(matches!(error, DirectoryFileError::Unreadable { .. }));
/// assert_eq!(error.to_string(), "cannot read no-such-file.toml");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryFileError {
    /// The text of the file is not a directory.
    #[error("{}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The place in the file and the problem.
        #[source]
        source: Box<DirectoryError>,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// A problem of a directory in TOML.
///
/// ```
/// use clerk_emulator::{Directory, DirectoryProblem};
///
/// let error = Directory::parse("[users.user_ada]").unwrap_err();
/// assert!(matches!(error.problem, DirectoryProblem::Name { table: "users", .. }));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryProblem {
    /// A permission is listed twice for one role.
    #[error("roles.{role}.permissions: `{permission}` is listed twice")]
    DuplicatePermission {
        /// The role.
        role: String,
        /// The permission.
        permission: String,
    },
    /// A name has a character that an id cannot have, or it already starts with the prefix of an
    /// id.
    #[error(
        "{table}.{name}: a name is letters, digits, `_` and `-`, without the prefix `{prefix}`"
    )]
    Name {
        /// `roles`, `users`, `organizations` or `machines`.
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
    /// A scope is empty, has a space or a quotation mark in it, or is one of Clerk's own.
    #[error("scopes: `{scope}` is not a valid name of a scope, or it is one of Clerk's own scopes")]
    Scope {
        /// The scope as written.
        scope: String,
    },
    /// A plan or feature is not a slug. The prefix `org:` or `user:` is left out, because the table
    /// names the owner.
    #[error(
        "{table}.{name}.{key}: `{slug}` is not a slug: letters, digits, `_` and `-`, without `org:` or `user:`"
    )]
    Slug {
        /// `users` or `organizations`.
        table: &'static str,
        /// The user or organization.
        name: String,
        /// `plans` or `features`.
        key: &'static str,
        /// The slug as written.
        slug: String,
    },
    /// The text is not TOML, or does not have the form of a directory.
    #[error("{message}")]
    Toml {
        /// The offset in the text, in bytes.
        offset: usize,
        /// The parser's message.
        message: String,
    },
    /// A machine in `scoped_machines` is not declared.
    #[error(
        "machines.{machine}.scoped_machines: there is no machine `{other}` (machines: {known})"
    )]
    UnknownMachine {
        /// The machine.
        machine: String,
        /// The machine in `scoped_machines`, as written.
        other: String,
        /// The declared machines, separated by commas.
        known: String,
    },
    /// A member is not a declared user.
    #[error("organizations.{organization}.members: there is no user `{user}` (users: {known})")]
    UnknownMember {
        /// The organization.
        organization: String,
        /// The member as written.
        user: String,
        /// The declared users, separated by commas; `none` if there are none.
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
        /// The declared roles, separated by commas; `none` if there are none.
        known: String,
    },
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

impl DirectoryProblem {
    /// The offset of the problem in the text, in bytes.
    fn offset(&self, text: &str) -> usize {
        let (keys, value): (&[&str], _) = match self {
            Self::Toml { offset, .. } => return *offset,
            Self::DuplicatePermission { role, permission }
            | Self::Permission { role, permission } => {
                (&["roles", role, "permissions"], Some(permission))
            }
            Self::Name { table, name, .. } => (&[table, name], None),
            Self::Scope { scope } => (&["scopes"], Some(scope)),
            Self::Slug {
                table,
                name,
                key,
                slug,
            } => (&[table, name, key], Some(slug)),
            Self::UnknownMachine { machine, other, .. } => {
                (&["machines", machine, "scoped_machines"], Some(other))
            }
            Self::UnknownMember {
                organization, user, ..
            } => (&["organizations", organization, "members", user], None),
            Self::UnknownRole {
                organization,
                user,
                role,
                ..
            } => (
                &["organizations", organization, "members", user],
                Some(role),
            ),
        };
        // The text was parsed before, so it has these keys.
        DeTable::parse(text).map_or(0, |document| {
            let value = value.map(String::as_str);
            offset_in(document.get_ref(), keys, value).unwrap_or_default()
        })
    }
}

/// The offset of a key, or of its value if `value` is given: the text itself, or the last member of
/// the list that equals `value`.
fn offset_in(table: &DeTable<'_>, keys: &[&str], value: Option<&str>) -> Option<usize> {
    let (first, rest) = keys.split_first()?;
    let mut entries = table.iter();
    let (key, found) = entries.find(|(key, _)| key.get_ref().as_ref() == *first)?;
    if let (DeValue::Table(inner), false) = (found.get_ref(), rest.is_empty()) {
        return offset_in(inner, rest, value);
    }
    let is_wanted = |found: &&Spanned<DeValue<'_>>| found.get_ref().as_str() == value;
    let place = value.and_then(|_| match found.get_ref() {
        DeValue::Array(members) => members.iter().rev().find(is_wanted),
        _ => Some(found),
    });
    Some(place.map_or(key.span().start, |place| place.span().start))
}

/// The line and the column of an offset, both counted from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (1 + before.matches('\n').count(), 1 + line.chars().count())
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
        Directory::parse(text).unwrap_err().problem.to_string()
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
    fn every_problem_is_refused_with_its_line_and_column() {
        let people = "[roles.admin]\npermissions = []\n[users.ada]\n";
        for (text, place) in [
            ("[roles.admin]\npermisions = []\n", "line 2, column 1: "),
            ("[users.ada]\n\nname = \n", "line 3, column 8: "),
            ("scopes = [\"a\", \"email\"]", "line 1, column 16: "),
            (
                "users.ada = { name = \"é\", plans = [\"\"] }",
                "line 1, column 36: ",
            ),
            (
                "[roles.a]\npermissions = [\n  \"org:a:b\",\n  \"org:a:b\",\n]",
                "line 4, column 3: ",
            ),
            ("[roles.a]\npermissions = [\"a\"]", "line 2, column 16: "),
            ("[users]\nuser_ada = {}", "line 2, column 1: "),
            ("[users.user_ada]", "line 1, column 8: "),
            ("users.ada.plans = [\"a\", \"\"]", "line 1, column 25: "),
            (
                "[machines.billing]\nscoped_machines = [\"mcp\"]",
                "line 2, column 20: ",
            ),
            (
                &format!("{people}[organizations.acme]\nmembers = {{ bob = \"admin\" }}"),
                "line 5, column 13: ",
            ),
            (
                &format!("{people}[organizations.acme.members]\nada = \"owner\""),
                "line 5, column 7: ",
            ),
        ] {
            let message = Directory::parse(text).unwrap_err().to_string();
            assert!(message.starts_with(place), "{text}: {message}");
        }
    }

    #[test]
    fn a_misspelt_key_is_refused_with_the_known_keys() {
        let message = refusal("[roles.admin]\npermisions = []\n");
        assert_eq!(
            message,
            "unknown field `permisions`, expected `permissions`"
        );
    }

    #[test]
    fn a_member_who_is_not_a_user_is_refused_with_the_known_users() {
        let text = "[roles.admin]\npermissions = []\n[users.ada]\n[organizations.acme]\nmembers = { bob = \"admin\" }";
        assert_eq!(
            refusal(text),
            "organizations.acme.members: there is no user `bob` (users: ada)"
        );
    }

    #[test]
    fn a_role_that_is_not_declared_is_refused_with_the_known_roles() {
        let text = "[users.ada]\n[organizations.acme]\nmembers = { ada = \"owner\" }";
        assert_eq!(
            refusal(text),
            "organizations.acme.members.ada: there is no role `owner` (roles: none)"
        );
    }

    #[test]
    fn a_machine_that_is_not_declared_is_refused_with_the_known_machines() {
        let text = "[machines.billing]\nscoped_machines = [\"mcp\"]";
        assert_eq!(
            refusal(text),
            "machines.billing.scoped_machines: there is no machine `mcp` (machines: billing)"
        );
        assert!(refusal("[machines.mch_billing]").starts_with("machines.mch_billing: "));
    }

    #[test]
    fn every_field_of_a_user_is_read() {
        let text = "[users.kay]\nname = \"Alan Kay\"\nemail = \"kay@parc.example\"\nemail_verified = false\n\
             image_url = \"https://parc.example/kay.png\"\nbanned = true\nlocked = true\n\
             public_metadata = { team = \"learning\" }\nprivate_metadata = { badge = 7 }\n\
             unsafe_metadata = { theme = \"dark\" }";
        let directory = Directory::parse(text).unwrap();
        let kay = directory.user("kay").unwrap();
        assert_eq!(
            (kay.name.as_str(), kay.email.as_deref()),
            ("Alan Kay", Some("kay@parc.example"))
        );
        assert!(!kay.email_verified && kay.banned && kay.locked);
        assert_eq!(
            kay.image_url.as_deref(),
            Some("https://parc.example/kay.png")
        );
        assert_eq!(kay.public_metadata["team"], "learning");
        assert_eq!(kay.private_metadata["badge"], 7);
        assert_eq!(kay.unsafe_metadata["theme"], "dark");
    }

    #[test]
    fn a_plan_or_feature_is_a_slug_without_a_prefix() {
        let text = "[users.kay]\nplans = [\"plus\"]\n[organizations.parc]\nplans = [\"pro\"]\nfeatures = [\"export\"]";
        let directory = Directory::parse(text).unwrap();
        assert_eq!(directory.user("kay").unwrap().plans, ["plus"]);
        let parc = directory.organization("parc").unwrap();
        assert_eq!(
            (parc.plans.join(","), parc.features.join(",")),
            ("pro".into(), "export".into())
        );
        assert_eq!(
            refusal("[organizations.parc]\nfeatures = [\"org:export\"]"),
            "organizations.parc.features: `org:export` is not a slug: letters, digits, `_` and `-`, \
             without `org:` or `user:`"
        );
        assert!(
            refusal("[users.kay]\nplans = [\"\"]").starts_with("users.kay.plans: `` is not a slug")
        );
    }

    #[test]
    fn a_value_that_must_be_a_table_is_refused_with_an_example() {
        for (text, example) in [
            ("users.ada = \"Ada\"", "ada = { name = "),
            ("roles.admin = []", "admin = { permissions = "),
            ("organizations.acme = 1", "acme = { members = "),
            ("machines.billing = true", "billing = { scoped_machines = "),
        ] {
            let message = refusal(text);
            assert!(
                message.contains(&format!("expected a table like `{example}")),
                "{message}"
            );
        }
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
    fn a_scope_is_added_unless_it_is_malformed_or_clerks_own() {
        let directory = Directory::parse("scopes = [\"documents:write\"]").unwrap();
        assert_eq!(directory.scopes().collect::<Vec<_>>(), ["documents:write"]);
        for scope in ["", "a b", "email"] {
            let message = refusal(&format!("scopes = [\"{scope}\"]"));
            assert!(
                message.starts_with(&format!("scopes: `{scope}` is not a valid name")),
                "{message}"
            );
        }
    }

    #[test]
    fn a_name_with_a_prefix_or_a_space_is_refused() {
        assert!(refusal("[users.user_ada]").starts_with("users.user_ada: "));
        assert!(refusal("[organizations.\"a b\"]").starts_with("organizations.a b: "));
    }
}
