use mcp_auth::mcp_tool;

const DELETE: &str = "org:documents:delete";

#[mcp_tool(permission = ["org:documents:read", DELETE])]
async fn hello() {}

fn main() {}
