use mcp_auth::mcp_tool;

#[mcp_tool(meta("com.example/team" = 1, "com.example/team" = 2))]
async fn hello() {}

fn main() {}
