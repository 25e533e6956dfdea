use mcp_auth::mcp_tool;

#[mcp_tool(permission = all())]
async fn hello() {}

fn main() {}
