use mcp_auth::mcp_tool;

#[mcp_tool(scope = all("a", "b", "a"))]
async fn hello() {}

fn main() {}
