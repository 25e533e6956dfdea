use mcp_auth::mcp_tool;

#[mcp_tool(concurrency = 0)]
async fn hello() {}

fn main() {}
