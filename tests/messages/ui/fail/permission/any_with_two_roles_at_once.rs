use mcp_auth::mcp_tool;

#[mcp_tool(any(role = all("admin", "owner"), scope = "all"))]
async fn hello() {}

fn main() {}
