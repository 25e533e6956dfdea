use mcp_auth::mcp_tool;

#[mcp_tool(icon("https://example.com/a.png", size = "48x48"))]
async fn hello() {}

fn main() {}
