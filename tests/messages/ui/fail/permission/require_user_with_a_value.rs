use mcp_auth::mcp_tool;

#[mcp_tool(require_user = true)]
async fn hello() {}

fn main() {}
