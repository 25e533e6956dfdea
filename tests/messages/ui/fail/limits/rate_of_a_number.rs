use mcp_auth::mcp_tool;

#[mcp_tool(rate = 10)]
async fn hello() {}

fn main() {}
