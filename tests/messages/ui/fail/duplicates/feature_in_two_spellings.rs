use mcp_auth::mcp_tool;

#[mcp_tool(feature = all("o:export", "org:export"))]
async fn hello() {}

fn main() {}
