use mcp_auth::mcp_tool;

#[mcp_tool(rate = "10/min per users")]
async fn hello() {}

fn main() {}
