use mcp_auth::mcp_tool;

#[mcp_tool(reverification = "strickt")]
async fn hello() {}

fn main() {}
