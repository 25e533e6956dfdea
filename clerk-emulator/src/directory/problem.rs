//! The errors of a directory file, with their place in the file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
    /// The problem at this line and column.
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
    /// A name has a character that is not allowed in an id, or it already starts with the prefix of
    /// an id.
    #[error(
        "{table}.{name}: a name consists of letters, digits, `_` and `-`, and must not begin with `{prefix}`"
    )]
    Name {
        /// `roles`, `users`, `organizations` or `machines`.
        table: &'static str,
        /// The name as written.
        name: String,
        /// The prefix that is added to the name.
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
    /// A scope is empty, contains a space or a quotation mark, or is one of Clerk's own scopes.
    #[error("scopes: `{scope}` is not a valid scope name, or is one of Clerk's own scopes")]
    Scope {
        /// The scope as written.
        scope: String,
    },
    /// A plan or feature is not a slug. A slug has no prefix `org:` or `user:`, because the table
    /// names the owner of the plan or feature.
    #[error(
        "{table}.{name}.{key}: `{slug}` is not a slug; a slug consists of letters, digits, `_` and `-`, and has no prefix `org:` or `user:`"
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
        /// The declared users, separated by commas. `none` if there are no declared users.
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
        /// The declared roles, separated by commas. `none` if there are no declared roles.
        known: String,
    },
}

impl DirectoryProblem {
    /// The offset of the problem in the text, in bytes.
    pub(super) fn offset(&self, text: &str) -> usize {
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

/// The offset of a key. If `value` is given, the offset of the key's value. If the value of the key is a list, the
/// offset of the last member that equals `value`.
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
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (1 + before.matches('\n').count(), 1 + line.chars().count())
}
