use mcp_auth::mcp_tool;

#[mcp_tool(accept("oauth", "apikey"))]
async fn hello() {}

fn main() {}
