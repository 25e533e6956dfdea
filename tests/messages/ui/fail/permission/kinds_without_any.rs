use mcp_auth::mcp_tool;

#[mcp_tool(accept("oauth", "session"))]
async fn hello() {}

fn main() {}
