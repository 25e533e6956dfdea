use mcp_auth::mcp_tool;

const READ: &str = "org:documents:read";

#[mcp_tool(permission = all(READ, READ))]
async fn hello() {}

fn main() {}
