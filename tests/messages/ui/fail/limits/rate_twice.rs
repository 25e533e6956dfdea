use mcp_auth::mcp_tool;

#[mcp_tool(rate = all("10/min per user", "10/min per user"))]
async fn hello() {}

fn main() {}
