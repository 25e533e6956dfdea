use mcp_auth::mcp_tool;

#[mcp_tool(authorise = "org:documents:read")]
async fn hello() {}

fn main() {}
