use mcp_auth::mcp_tool;

#[mcp_tool(permission = "org:Documents:delete")]
async fn hello() {}

fn main() {}
