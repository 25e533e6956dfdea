use mcp_auth::mcp_tool;

#[mcp_tool(name = "say hello")]
async fn hello() {}

fn main() {}
