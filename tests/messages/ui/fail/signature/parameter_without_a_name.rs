use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(_: String) {}

fn main() {}
