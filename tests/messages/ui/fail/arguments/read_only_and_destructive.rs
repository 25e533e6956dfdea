use mcp_auth::mcp_tool;

#[mcp_tool(read_only, destructive)]
async fn hello() {}

fn main() {}
