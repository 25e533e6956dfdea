use mcp_auth::mcp_tool;

#[mcp_tool(read_only, read_only)]
async fn hello() {}

fn main() {}
