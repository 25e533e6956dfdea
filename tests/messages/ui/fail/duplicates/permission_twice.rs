use mcp_auth::mcp_tool;

#[mcp_tool(permission = all("org:a:b", "org:a:b"))]
async fn hello() {}

fn main() {}
