use mcp_auth::mcp_tool;

const READ: &str = "documents.read";

#[mcp_tool(any(role = "admin", permission = READ))]
async fn hello() {}

fn main() {}
