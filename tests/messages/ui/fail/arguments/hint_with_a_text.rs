use mcp_auth::mcp_tool;

#[mcp_tool(destructive = "no")]
async fn hello() {}

fn main() {}
