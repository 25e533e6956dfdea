use mcp_auth::mcp_tool;

#[mcp_tool(read_only(false))]
async fn hello() {}

fn main() {}
