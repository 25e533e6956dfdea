use mcp_auth::mcp_tool;

#[mcp_tool(rate)]
async fn hello() {}

fn main() {}
