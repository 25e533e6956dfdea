use mcp_auth::mcp_tool;

#[mcp_tool(scope = "a\"b")]
async fn hello() {}

fn main() {}
