use mcp_auth::mcp_tool;

#[mcp_tool(any(role = "admin", permision = "org:a:read"))]
async fn hello() {}

fn main() {}
