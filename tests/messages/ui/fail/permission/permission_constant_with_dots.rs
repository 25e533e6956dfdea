use mcp_auth::mcp_tool;

const DELETE: &str = "documents.delete";

#[mcp_tool(permission = all("org:documents:read", DELETE))]
async fn hello() {}

fn main() {}
