use mcp_auth::mcp_tool;

#[mcp_tool(role = "Admin")]
async fn hello() {}

fn main() {}
