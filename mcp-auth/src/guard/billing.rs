//! Features and plans of Clerk Billing, as requirements of a guard.

use std::fmt;

use crate::identity::{Entitlements, Owner};

use super::names::const_panic;

/// A feature of the caller's plan. `export` may belong to the organization's plan or to the user's plan.
/// `org:export` must belong to the organization's plan, and `user:export` to the user's plan.
///
/// ```
/// use mcp_auth::Feature;
///
/// const EXPORT: Feature = Feature::new("org:export");
/// assert_eq!(EXPORT.slug(), "export");
/// // Clerk accepts several prefixes for each owner.
/// assert_eq!(EXPORT, Feature::new("o:export"));
/// assert_eq!(EXPORT.to_string(), "org:export");
/// ```
///
/// Only session tokens contain features. A caller with a token of another kind has no feature.
///
/// Source: `fea` in <https://clerk.com/docs/guides/sessions/session-tokens>,
/// <https://clerk.com/docs/billing/overview>.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Feature(Entitlement);

/// A plan that the caller is on. `pro` may be the plan of the organization or of the user. `org:pro` must be
/// the organization's plan, and `user:pro` the user's plan.
///
/// ```
/// use mcp_auth::Plan;
///
/// const PRO: Plan = Plan::new("pro");
/// assert_eq!((PRO.slug(), PRO.to_string().as_str()), ("pro", "pro"));
/// assert_ne!(PRO, Plan::new("user:pro"));
/// ```
///
/// Only session tokens contain plans. A caller with a token of another kind is on no plan.
///
/// Source: `pla` in <https://clerk.com/docs/guides/sessions/session-tokens>,
/// <https://clerk.com/docs/billing/overview>.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Plan(Entitlement);

/// A slug with its owner. Features and plans have this form.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Entitlement {
    owner: Owner,
    slug: &'static str,
}

impl Feature {
    /// Makes a feature from its slug, alone or after `org:` or `user:`.
    ///
    /// # Panics
    ///
    /// If the slug has a character other than lower-case letters, digits, `_` and `-`, or if the prefix is not `o`,
    /// `org`, `organization`, `u` or `user`. In a `const` the panic is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn new(key: &'static str) -> Self {
        match Entitlement::parse(key) {
            Some(entitlement) => Self(entitlement),
            None => const_panic(
                "`feature` must look like `export`, `org:export` or `user:export`, found ",
                key,
            ),
        }
    }

    /// Returns the slug, without its owner.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        self.0.slug
    }

    pub(super) fn is_among(self, held: Option<&Entitlements>) -> bool {
        self.0.is_among(held)
    }
}

impl Plan {
    /// Makes a plan from its slug, alone or after `org:` or `user:`.
    ///
    /// # Panics
    ///
    /// If the key does not look like `pro`, `org:pro` or `user:pro`; see [`Feature::new`].
    #[must_use]
    #[track_caller]
    pub const fn new(key: &'static str) -> Self {
        match Entitlement::parse(key) {
            Some(entitlement) => Self(entitlement),
            None => const_panic(
                "`plan` must look like `pro`, `org:pro` or `user:pro`, found ",
                key,
            ),
        }
    }

    /// Returns the slug, without its owner.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        self.0.slug
    }

    pub(super) fn is_among(self, held: Option<&Entitlements>) -> bool {
        self.0.is_among(held)
    }
}

impl Entitlement {
    const fn parse(key: &'static str) -> Option<Self> {
        match Owner::split(key) {
            Some((owner, slug)) => Some(Self { owner, slug }),
            None => None,
        }
    }

    fn is_among(self, held: Option<&Entitlements>) -> bool {
        held.is_some_and(|held| held.has(self.owner, self.slug))
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Entitlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = match self.owner {
            Owner::Any => "",
            Owner::Organization => "org:",
            Owner::User => "user:",
        };
        write!(f, "{owner}{}", self.slug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_optional_and_a_slug_is_one_word() {
        for (key, shown) in [
            ("export", "export"),
            ("o:export", "org:export"),
            ("org:export", "org:export"),
            ("organization:export", "org:export"),
            ("u:export", "user:export"),
            ("user:export_2-b", "user:export_2-b"),
            ("org", "org"),
        ] {
            assert_eq!(Feature::new(key).to_string(), shown, "{key}");
            assert_eq!(Plan::new(key).to_string(), shown, "{key}");
        }
        for bad in [
            "",
            ":",
            "o:",
            ":export",
            "org:export:pdf",
            "ou:export",
            "Org:export",
            "Export",
            "two words",
            " export",
            "export ",
            "org: export",
            "dökument",
            "org:dökument",
        ] {
            assert_eq!(Entitlement::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn whose_it_is_counts_and_what_is_unknown_is_nobodys() {
        let held = Entitlements {
            organization: vec!["dash".to_owned()],
            user: vec!["theme".to_owned()],
        };
        for (key, expected) in [
            ("dash", true),
            ("org:dash", true),
            ("user:dash", false),
            ("theme", true),
            ("org:theme", false),
            ("user:theme", true),
            ("dashboard", false),
        ] {
            assert_eq!(Feature::new(key).is_among(Some(&held)), expected, "{key}");
            assert_eq!(Plan::new(key).is_among(Some(&held)), expected, "{key}");
            assert!(!Feature::new(key).is_among(None));
        }
    }

    #[test]
    #[should_panic(
        expected = "`feature` must look like `export`, `org:export` or `user:export`, found `org:export:pdf`"
    )]
    fn a_third_part_that_clerk_would_drop_is_refused() {
        let _ = Feature::new("org:export:pdf");
    }

    #[test]
    #[should_panic(expected = "`plan` must look like `pro`, `org:pro` or `user:pro`, found `Pro`")]
    fn a_plan_in_capitals_is_refused() {
        let _ = Plan::new("Pro");
    }
}
