use mcp_auth::mcp_tool;

#[mcp_tool(any(require_user, role = "admin"))]
async fn hello() {}

fn main() {}
