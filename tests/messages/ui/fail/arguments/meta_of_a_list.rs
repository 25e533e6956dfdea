use mcp_auth::mcp_tool;

#[mcp_tool(meta("com.example/team" = ["billing"]))]
async fn hello() {}

fn main() {}
