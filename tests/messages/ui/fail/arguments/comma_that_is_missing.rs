use mcp_auth::mcp_tool;

#[mcp_tool(read_only title = "Hello")]
async fn hello() {}

fn main() {}
