//! The features and plans of an organization and of a user.

use super::org::is_key;

/// Features or plans, by owner.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Entitlements {
    /// The entitlements of the organization.
    pub(crate) organization: Vec<String>,
    /// The entitlements of the user.
    pub(crate) user: Vec<String>,
}

/// The owner of a feature or plan.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Owner {
    /// The organization or the user.
    Any,
    /// The organization.
    Organization,
    /// The user.
    User,
}

impl Entitlements {
    /// Returns true if the owner has the feature or plan with this name. The comparison is exact and case-sensitive.
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
    /// Returns the owner that the prefix of an entry names. `None` if the prefix is unknown.
    pub(crate) const fn of_scope(scope: &[u8]) -> Option<Self> {
        match scope {
            b"o" | b"org" | b"organization" => Some(Self::Organization),
            b"u" | b"user" => Some(Self::User),
            _ => None,
        }
    }

    /// Splits `export`, `org:export` or `user:export` into its owner and its slug.
    ///
    /// Returns `None` for any other form. Clerk's `has()` drops the third part of `org:export:pdf`, and reads `o:` as
    /// the slug `o`. This function rejects both texts.
    pub(crate) const fn split(key: &str) -> Option<(Self, &str)> {
        let text = key.as_bytes();
        let mut at = 0;
        while at < text.len() {
            let (scope, rest) = text.split_at(at);
            if let [b':', slug @ ..] = rest {
                return match (Self::of_scope(scope), std::str::from_utf8(slug)) {
                    (Some(owner), Ok(slug)) if is_key(slug.as_bytes()) => Some((owner, slug)),
                    _ => None,
                };
            }
            at += 1;
        }
        if is_key(text) {
            Some((Self::Any, key))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_slug_with_or_without_its_owner() {
        for (asked, read) in [
            ("export", Some((Owner::Any, "export"))),
            ("", None),
            ("o:export", Some((Owner::Organization, "export"))),
            ("org:export", Some((Owner::Organization, "export"))),
            ("organization:export", Some((Owner::Organization, "export"))),
            ("u:export", Some((Owner::User, "export"))),
            ("user:export", Some((Owner::User, "export"))),
            ("org:export:pdf", None),
            ("o:", None),
            ("o::x", None),
            ("ou:export", None),
            ("Org:export", None),
            (":export", None),
            (" org:export", None),
        ] {
            assert_eq!(Owner::split(asked), read, "{asked}");
        }
    }

    #[test]
    fn each_owner_has_only_its_own_entitlements() {
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
