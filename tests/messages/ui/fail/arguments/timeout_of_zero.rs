use mcp_auth::mcp_tool;

#[mcp_tool(timeout = 0)]
async fn hello() {}

fn main() {}
