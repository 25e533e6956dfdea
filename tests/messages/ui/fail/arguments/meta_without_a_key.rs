use mcp_auth::mcp_tool;

#[mcp_tool(meta("billing"))]
async fn hello() {}

fn main() {}
