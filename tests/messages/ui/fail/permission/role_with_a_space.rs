use mcp_auth::mcp_tool;

#[mcp_tool(role = "team lead")]
async fn hello() {}

fn main() {}
