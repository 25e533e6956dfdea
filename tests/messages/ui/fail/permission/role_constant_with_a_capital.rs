use mcp_auth::mcp_tool;

const ADMIN: &str = "Admin";

#[mcp_tool(role = ADMIN)]
async fn hello() {}

fn main() {}
