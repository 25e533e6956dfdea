//! Tools that change things.

mcp_auth::module_guard!(role = "admin");

use mcp_auth::mcp_tool;

/// Close the books.
#[mcp_tool(destructive)]
async fn close_books() -> &'static str {
    "closed"
}
