use mcp_auth::mcp_tool;

#[mcp_tool(any())]
async fn hello() {}

fn main() {}
