//! All keys of the attribute at once, with a trailing comma.

use mcp_auth::mcp_tool;

#[mcp_tool(
    name = "documents.search",
    title = "Search documents",
    read_only,
    destructive = false,
    idempotent = true,
    closed_world,
    require_org,
    permission = "org:documents:read",
    role = "member",
    scope = "documents:read",
    timeout = 30,
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
