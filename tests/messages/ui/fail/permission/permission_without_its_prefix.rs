use mcp_auth::mcp_tool;

#[mcp_tool(permission = "documents:delete")]
async fn hello() {}

fn main() {}
