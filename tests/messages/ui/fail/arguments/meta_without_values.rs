use mcp_auth::mcp_tool;

#[mcp_tool(meta)]
async fn hello() {}

fn main() {}
