use mcp_auth::mcp_tool;

#[mcp_tool(any(accept = "session", role = "admin"))]
async fn hello() {}

fn main() {}
