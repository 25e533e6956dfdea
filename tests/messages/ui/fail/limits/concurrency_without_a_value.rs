use mcp_auth::mcp_tool;

#[mcp_tool(concurrency)]
async fn hello() {}

fn main() {}
