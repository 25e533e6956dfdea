use mcp_auth::mcp_tool;

#[mcp_tool(rate = "10/minute per user")]
async fn hello() {}

fn main() {}
