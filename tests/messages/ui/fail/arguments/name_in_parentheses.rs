use mcp_auth::mcp_tool;

#[mcp_tool(name("hello"))]
async fn hello() {}

fn main() {}
