use mcp_auth::mcp_tool;

#[mcp_tool(icon)]
async fn hello() {}

fn main() {}
