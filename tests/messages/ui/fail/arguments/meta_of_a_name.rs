use mcp_auth::mcp_tool;

#[mcp_tool(meta(team = "billing"))]
async fn hello() {}

fn main() {}
