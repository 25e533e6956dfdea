use mcp_auth::mcp_tool;

#[mcp_tool(permission = "org:a:b", permission = "org:a:c")]
async fn hello() {}

fn main() {}
