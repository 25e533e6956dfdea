use mcp_auth::mcp_tool;

#[mcp_tool(icon("https://example.com/a.png", sizes("48"), mime_type = "png", theme = "blue"))]
async fn hello() {}

fn main() {}
