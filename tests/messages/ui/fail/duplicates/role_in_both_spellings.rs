use mcp_auth::mcp_tool;

#[mcp_tool(role = all("admin", "org:admin"))]
async fn hello() {}

fn main() {}
