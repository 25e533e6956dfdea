//! How current the data about an organization must be for a decision.

use crate::guard::Guard;
use crate::identity::Freshness;
use crate::primitive::{List, Registry};

/// Returns how current the organization must be, so that every prompt and resource can be decided. `None` if none of
/// their guards uses an organization.
pub(super) fn hidden(registry: &Registry, trust_token_org: bool) -> Option<Freshness> {
    let lists = [List::Prompts, List::Resources, List::Templates];
    let hidden = lists.into_iter().flat_map(|list| registry.list(list));
    let asking = hidden.filter(|served| served.wants_organization());
    let asked: Vec<_> = asking
        .map(|served| facts(served.guard(), trust_token_org))
        .collect();
    let current = asked.iter().find(|asked| **asked == Freshness::Current);
    current.or(asked.first()).copied()
}

/// Returns whether the guard needs current data about the organization, or accepts the data in the
/// token.
pub(super) fn facts(guard: &Guard, trust_token_org: bool) -> Freshness {
    if trust_token_org && !guard.uses_membership() {
        Freshness::AsInToken
    } else {
        Freshness::Current
    }
}
