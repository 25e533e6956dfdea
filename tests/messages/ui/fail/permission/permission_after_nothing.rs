use mcp_auth::mcp_tool;

#[mcp_tool(permission =)]
async fn hello() {}

fn main() {}
