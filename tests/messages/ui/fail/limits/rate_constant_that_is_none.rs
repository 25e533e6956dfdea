use mcp_auth::mcp_tool;

const RATE: &str = "10 a minute";

#[mcp_tool(rate = RATE)]
async fn hello() {}

fn main() {}
