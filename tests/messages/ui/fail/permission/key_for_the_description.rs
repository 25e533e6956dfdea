use mcp_auth::mcp_tool;

#[mcp_tool(description = "Say hello.")]
async fn hello() {}

fn main() {}
