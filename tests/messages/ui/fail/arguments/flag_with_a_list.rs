use mcp_auth::mcp_tool;

#[mcp_tool(public("everybody"))]
async fn hello() {}

fn main() {}
