use mcp_auth::mcp_tool;

#[mcp_tool(any = "org:documents:read")]
async fn hello() {}

fn main() {}
