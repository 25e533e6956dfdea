use mcp_auth::mcp_tool;

#[mcp_tool(feature = "team:export")]
async fn hello() {}

fn main() {}
