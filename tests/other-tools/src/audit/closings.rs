//! Tools about closed books.

/// List when the books were closed.
#[mcp_auth::mcp_tool(read_only)]
async fn list_closings() -> &'static str {
    "never"
}
