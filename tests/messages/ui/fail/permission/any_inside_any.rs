use mcp_auth::mcp_tool;

#[mcp_tool(any(role = "admin", any(role = "owner", scope = "all")))]
async fn hello() {}

fn main() {}
