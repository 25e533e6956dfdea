use mcp_auth::{CallerFacts, Policy, mcp_prompt, mcp_resource, mcp_tool};

mod rules {
    use mcp_auth::{CallerFacts, Policy};

    pub(super) fn is_staff(facts: &CallerFacts<'_>) -> bool {
        facts.has_role("staff")
    }

    pub(super) const fn everybody(_: &CallerFacts<'_>) -> bool {
        true
    }

    pub(super) static EU_STAFF: Policy = Policy::new("eu-staff", "staff in the EU", |facts| {
        is_staff(facts) && facts.claim("region").is_some()
    });
}

const ADMIN: Policy = Policy::new("admin", "an admin", is_admin);

fn is_admin(facts: &CallerFacts<'_>) -> bool {
    facts.has_role("admin")
}

fn r#match(facts: &CallerFacts<'_>) -> bool {
    facts.user_id().is_some()
}

#[mcp_tool(policy = is_admin, name = "by_a_function")]
async fn by_a_function() {}

#[mcp_tool(policy = all(rules::is_staff, rules::EU_STAFF, ADMIN, r#match), require_org)]
async fn by_all() {}

#[mcp_prompt(any(policy = ADMIN, policy = rules::is_staff, scope = "staff"))]
async fn by_one() -> &'static str {
    "one"
}

#[mcp_resource("policies://static", policy = rules::EU_STAFF)]
async fn by_a_static() -> &'static str {
    "static"
}

mod guarded {
    mcp_auth::module_guard!(policy = all(super::ADMIN, super::rules::everybody));
}

fn local() {
    fn nobody(_: &CallerFacts<'_>) -> bool {
        false
    }

    #[mcp_tool(policy = nobody)]
    async fn for_nobody() {}
}
