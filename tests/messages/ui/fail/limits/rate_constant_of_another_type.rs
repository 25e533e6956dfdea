use mcp_auth::mcp_tool;

const RATE: u32 = 10;

#[mcp_tool(rate = RATE)]
async fn hello() {}

fn main() {}
