use mcp_auth::mcp_tool;

#[mcp_tool(role("admin", "org:admin"))]
async fn hello() {}

fn main() {}
