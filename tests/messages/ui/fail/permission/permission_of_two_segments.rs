use mcp_auth::mcp_tool;

#[mcp_tool(permission = "org:documents")]
async fn hello() {}

fn main() {}
