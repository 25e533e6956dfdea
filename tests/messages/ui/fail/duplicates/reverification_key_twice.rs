use mcp_auth::mcp_tool;

#[mcp_tool(reverification = "lax", reverification = "strict")]
async fn hello() {}

fn main() {}
