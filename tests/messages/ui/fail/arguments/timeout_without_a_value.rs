use mcp_auth::mcp_tool;

#[mcp_tool(timeout)]
async fn hello() {}

fn main() {}
