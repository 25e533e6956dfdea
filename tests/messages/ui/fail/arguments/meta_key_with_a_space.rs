use mcp_auth::mcp_tool;

#[mcp_tool(meta("com.example/my team" = 1))]
async fn hello() {}

fn main() {}
