use mcp_auth::mcp_tool;

#[mcp_tool(feature = "org:export:pdf")]
async fn hello() {}

fn main() {}
