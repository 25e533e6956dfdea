use mcp_auth::mcp_tool;

#[mcp_tool(permision = "org:documents:read")]
async fn hello() {}

fn main() {}
