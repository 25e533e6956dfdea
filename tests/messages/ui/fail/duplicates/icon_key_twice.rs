use mcp_auth::mcp_tool;

#[mcp_tool(icon("https://example.com/a.png", theme = "dark", theme = "light"))]
async fn hello() {}

fn main() {}
