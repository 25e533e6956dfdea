use mcp_auth::mcp_tool;

#[mcp_tool(name = "pages.rename")]
async fn rename_page() {}

fn main() {}
