use mcp_auth::mcp_tool;

const LEVEL: &str = "first_factor";

#[mcp_tool(reverification(LEVEL, 10))]
async fn hello() {}

fn main() {}
