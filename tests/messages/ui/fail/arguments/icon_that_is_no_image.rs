use mcp_auth::mcp_tool;

#[mcp_tool(icon = "data:text/html;base64,PGI+")]
async fn hello() {}

fn main() {}
