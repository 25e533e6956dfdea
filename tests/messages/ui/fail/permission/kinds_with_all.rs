use mcp_auth::mcp_tool;

#[mcp_tool(accept = all("oauth", "session"))]
async fn hello() {}

fn main() {}
