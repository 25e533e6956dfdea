use mcp_auth::mcp_tool;

#[mcp_tool(concurrency = "4")]
async fn hello() {}

fn main() {}
