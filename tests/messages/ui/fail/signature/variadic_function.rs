use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(name: String, others: ...) {}

fn main() {}
