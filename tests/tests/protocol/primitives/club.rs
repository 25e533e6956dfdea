//! Tools, prompts and resources with policies.

use mcp_auth::{CallerFacts, Policy};

fn of_acme(facts: &CallerFacts<'_>) -> bool {
    facts.org().is_some_and(|org| org.id() == "org_acme")
}

/// Not monotonic: an organization takes the right away.
fn alone(facts: &CallerFacts<'_>) -> bool {
    facts.org().is_none()
}

fn fails_for_grace(facts: &CallerFacts<'_>) -> bool {
    assert_ne!(facts.user_id(), Some("user_grace"), "a bug in the policy");
    true
}

const DELETERS: Policy = Policy::new("deleters", "somebody who may delete documents", |facts| {
    facts.has_permission("org:documents:delete")
});

pub(super) mod rooms {
    use super::{DELETERS, alone, fails_for_grace, of_acme};

    room!("acme", "club://acme", policy = of_acme);
    room!("alone", "club://alone", policy = alone);
    room!("both", "club://both", policy = all(of_acme, DELETERS));
    room!("broken", "club://broken", policy = fails_for_grace);
    room!("deleters", "club://deleters", policy = DELETERS);

    /// A module whose policy guards all its rooms.
    mod inner {
        mcp_auth::module_guard!(policy = super::super::DELETERS);

        room!("inner", "club://inner");
        room!("nobody", "club://nobody", policy = super::super::alone);
    }
}

/// Rooms that a scope opens, alone or with a policy.
pub(super) mod scoped {
    use super::{DELETERS, of_acme};

    room!(
        "either",
        "club://either",
        any(policy = DELETERS, scope = "club:read")
    );
    room!(
        "members",
        "club://members",
        policy = of_acme,
        scope = "club:read"
    );
}
