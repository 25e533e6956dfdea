use mcp_auth::mcp_tool;

#[mcp_tool(any(feature = "org:", role = "admin"))]
async fn hello() {}

fn main() {}
