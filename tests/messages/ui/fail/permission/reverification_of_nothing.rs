use mcp_auth::mcp_tool;

#[mcp_tool(reverification)]
async fn hello() {}

fn main() {}
