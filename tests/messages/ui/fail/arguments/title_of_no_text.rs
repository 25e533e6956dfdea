use mcp_auth::mcp_tool;

#[mcp_tool(title = " ")]
async fn hello() {}

fn main() {}
