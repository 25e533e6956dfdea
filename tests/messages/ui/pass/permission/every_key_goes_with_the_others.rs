//! All keys of the attribute at once, with a trailing comma.

use mcp_auth::mcp_tool;

fn may_search(text: &str) -> bool {
    !text.is_empty()
}

fn is_staff(facts: &mcp_auth::CallerFacts<'_>) -> bool {
    facts.has_role("staff")
}

#[mcp_tool(
    name = "documents_search",
    title = "Search documents",
    read_only,
    destructive = false,
    idempotent = true,
    closed_world,
    require_org,
    permission = "org:documents:read",
    role = "member",
    feature = "export",
    plan = "pro",
    policy = is_staff,
    reverification = "lax",
    scope = "documents:read",
    any(permission = "org:documents:list", scope = all("a", "b")),
    any(role = "admin", role = "member", permission = all("org:documents:read", "org:a:b")),
    require_user,
    accept = "session",
    forbid_actor,
    authorize = may_search(search_text),
    timeout = 30,
    extend_on_progress = 600,
    allow_unknown,
    rename_all = "camelCase",
    crate = ::mcp_auth,
)]
async fn search(search_text: String) -> String {
    search_text
}

#[mcp_tool(read_only = false, destructive, idempotent = false)]
async fn drop_everything() {}

#[mcp_tool()]
async fn nothing_said() {}
