//! Features and plans in the claims `fea` and `pla` of a session token.

use crate::permission;

/// Features or plans with their owners, in the order of a claim and without duplicates.
#[derive(Default)]
pub(super) struct Entitlements(Vec<(String, Owners)>);

/// The owners of a feature or plan: the organization, the user, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owners {
    pub(super) organization: bool,
    pub(super) user: bool,
}

impl Owners {
    pub(super) const BOTH: Self = Self {
        organization: true,
        user: true,
    };
    pub(super) const ORGANIZATION: Self = Self {
        organization: true,
        user: false,
    };
    pub(super) const USER: Self = Self {
        organization: false,
        user: true,
    };
}

impl Entitlements {
    pub(super) fn add(&mut self, slug: &str, owners: Owners) {
        if let Some((_, held)) = self.0.iter_mut().find(|(held, _)| held == slug) {
            held.organization |= owners.organization;
            held.user |= owners.user;
        } else {
            self.0.push((String::from(slug), owners));
        }
    }

    pub(super) fn add_all(&mut self, slugs: &[String], owners: Owners) {
        for slug in slugs {
            self.add(slug, owners);
        }
    }

    /// Adds the entries of a claim that the emulator wrote.
    pub(super) fn add_claim(&mut self, claim: &str) {
        for (owners, slug) in claim.split(',').filter_map(owners) {
            self.add(slug, owners);
        }
    }

    /// The text of the claim. The entries of an organization come first, because the bit masks of
    /// permissions refer only to them.
    pub(super) fn to_claim(&self) -> String {
        let (first, last): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, it)| it.organization);
        let entry = |(slug, owners): &(String, Owners)| {
            let organization = if owners.organization { "o" } else { "" };
            let user = if owners.user { "u" } else { "" };
            format!("{organization}{user}:{slug}")
        };
        let entries: Vec<_> = first.into_iter().chain(last).map(entry).collect();
        entries.join(",")
    }
}

/// Splits a feature or plan into owners and slug. Guards write `org:export`; claims write
/// `o:export`.
pub(super) fn owners(text: &str) -> Option<(Owners, &str)> {
    let (owners, slug) = match text.split_once(':') {
        None => (Owners::BOTH, text),
        Some(("org" | "o", slug)) => (Owners::ORGANIZATION, slug),
        Some(("user" | "u", slug)) => (Owners::USER, slug),
        Some(("ou" | "uo", slug)) => (Owners::BOTH, slug),
        Some(_) => return None,
    };
    permission::is_word(slug).then_some((owners, slug))
}
