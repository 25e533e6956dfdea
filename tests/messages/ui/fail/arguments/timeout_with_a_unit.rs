use mcp_auth::mcp_tool;

#[mcp_tool(timeout = 30s)]
async fn hello() {}

fn main() {}
