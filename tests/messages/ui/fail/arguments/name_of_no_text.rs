use mcp_auth::mcp_tool;

#[mcp_tool(name = "")]
async fn hello() {}

fn main() {}
