use mcp_auth::mcp_tool;

#[mcp_tool(feature)]
async fn hello() {}

fn main() {}
