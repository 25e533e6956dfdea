use mcp_auth::mcp_tool;

const ICON: &str = "https://example.com/a.png";

#[mcp_tool(icon(ICON, theme = "dark"))]
async fn hello() {}

fn main() {}
