use mcp_auth::mcp_tool;

#[mcp_tool(crate = "mcp_auth")]
async fn hello() {}

fn main() {}
