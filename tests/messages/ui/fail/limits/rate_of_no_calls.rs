use mcp_auth::mcp_tool;

#[mcp_tool(rate = "0/min per user")]
async fn hello() {}

fn main() {}
