use mcp_auth::mcp_tool;

#[mcp_tool(scope = "documents:read documents:write")]
async fn hello() {}

fn main() {}
