use mcp_auth::mcp_tool;

#[mcp_tool(public, accept = "oauth", require_user, feature = "export", plan = "pro", reverification = "lax")]
async fn hello() {}

fn main() {}
