use mcp_auth::mcp_tool;

#[mcp_tool(accept = any("oauth", "apikey"))]
async fn hello() {}

fn main() {}
