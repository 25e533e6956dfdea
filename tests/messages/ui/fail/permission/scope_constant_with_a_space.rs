use mcp_auth::mcp_tool;

const SCOPE: &str = "a b";

#[mcp_tool(scope = SCOPE)]
async fn hello() {}

fn main() {}
