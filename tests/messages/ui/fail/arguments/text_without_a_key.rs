use mcp_auth::mcp_tool;

#[mcp_tool("Say hello", read_only)]
async fn hello() {}

fn main() {}
