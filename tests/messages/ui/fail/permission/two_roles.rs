use mcp_auth::mcp_tool;

#[mcp_tool(role = all("admin", "member"))]
async fn hello() {}

fn main() {}
