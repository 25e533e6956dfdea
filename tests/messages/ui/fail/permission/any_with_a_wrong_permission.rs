use mcp_auth::mcp_tool;

#[mcp_tool(any(role = "admin", permission = "documents.read"))]
async fn hello() {}

fn main() {}
