use mcp_auth::mcp_tool;

#[mcp_tool(accept())]
async fn hello() {}

fn main() {}
