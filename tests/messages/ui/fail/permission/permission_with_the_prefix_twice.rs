use mcp_auth::mcp_tool;

#[mcp_tool(permission = "org:org:documents:delete")]
async fn hello() {}

fn main() {}
