use mcp_auth::mcp_tool;

#[mcp_tool(plan = "pro plan")]
async fn hello() {}

fn main() {}
