use mcp_auth::mcp_tool;

#[mcp_tool(icon = "http://example.com/a.png")]
async fn hello() {}

fn main() {}
