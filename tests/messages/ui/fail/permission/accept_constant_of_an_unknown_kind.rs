use mcp_auth::mcp_tool;

const KIND: &str = "jwt";

#[mcp_tool(accept = KIND)]
async fn hello() {}

fn main() {}
