use mcp_auth::mcp_tool;

#[mcp_tool(require_org = false)]
async fn hello() {}

fn main() {}
