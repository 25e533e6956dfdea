use mcp_auth::mcp_tool;

#[mcp_tool(public =)]
async fn hello() {}

fn main() {}
