use mcp_auth::mcp_tool;

#[mcp_tool(permission = 7)]
async fn hello() {}

fn main() {}
