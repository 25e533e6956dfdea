use mcp_auth::mcp_tool;

#[mcp_tool]
const async fn hello() {}

fn main() {}
