use mcp_auth::mcp_tool;

#[mcp_tool(feature = all("org:Export", "share"))]
async fn hello() {}

fn main() {}
