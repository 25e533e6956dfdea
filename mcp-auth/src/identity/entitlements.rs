//! What a plan gives: features and plans of an organization and of a user.

/// Features, or plans, by whom they belong to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Entitlements {
    /// Those of the organization.
    pub(crate) organization: Vec<String>,
    /// Those of the user.
    pub(crate) user: Vec<String>,
}

/// Whose feature or plan is asked for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Owner {
    /// Either will do.
    Any,
    /// The organization's.
    Organization,
    /// The user's own.
    User,
}

impl Entitlements {
    /// Whether this one is among them: exact and case-sensitive.
    pub(crate) fn has(&self, owner: Owner, slug: &str) -> bool {
        let among = |all: &[String]| all.iter().any(|held| held == slug);
        match owner {
            Owner::Any => among(&self.organization) || among(&self.user),
            Owner::Organization => among(&self.organization),
            Owner::User => among(&self.user),
        }
    }
}

impl Owner {
    /// The owner that a scope names; `None` if it names none.
    pub(crate) const fn of_scope(scope: &[u8]) -> Option<Self> {
        match scope {
            b"o" | b"org" | b"organization" => Some(Self::Organization),
            b"u" | b"user" => Some(Self::User),
            _ => None,
        }
    }

    /// Reads what is asked for at run time as Clerk's `has()` does: of `org:export:pdf` the third part
    /// is dropped, `o:` asks for the one called `o`. `None` if the scope is unknown.
    pub(crate) fn split(asked: &str) -> Option<(Self, &str)> {
        let mut parts = asked.split(':');
        let first = parts.next().unwrap_or_default();
        match parts.next() {
            None => Some((Self::Any, first)),
            Some(second) => {
                let owner = Self::of_scope(first.as_bytes())?;
                Some((owner, if second.is_empty() { first } else { second }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_as_clerk_reads_it() {
        for (asked, read) in [
            ("export", Some((Owner::Any, "export"))),
            ("", Some((Owner::Any, ""))),
            ("o:export", Some((Owner::Organization, "export"))),
            ("org:export", Some((Owner::Organization, "export"))),
            ("organization:export", Some((Owner::Organization, "export"))),
            ("u:export", Some((Owner::User, "export"))),
            ("user:export", Some((Owner::User, "export"))),
            ("org:export:pdf", Some((Owner::Organization, "export"))),
            ("o:", Some((Owner::Organization, "o"))),
            ("o::x", Some((Owner::Organization, "o"))),
            ("ou:export", None),
            ("Org:export", None),
            (":export", None),
            (" org:export", None),
        ] {
            assert_eq!(Owner::split(asked), read, "{asked}");
        }
    }

    #[test]
    fn what_one_owner_has_the_other_has_not() {
        let held = Entitlements {
            organization: vec!["dash".to_owned()],
            user: vec!["theme".to_owned()],
        };
        assert!(held.has(Owner::Any, "dash") && held.has(Owner::Any, "theme"));
        assert!(held.has(Owner::Organization, "dash") && !held.has(Owner::User, "dash"));
        assert!(held.has(Owner::User, "theme") && !held.has(Owner::Organization, "theme"));
        assert!(!held.has(Owner::Any, "Dash") && !held.has(Owner::Any, ""));
    }
}
