use mcp_auth::mcp_tool;

#[mcp_tool(accept = "oauth", accept = "session")]
async fn hello() {}

fn main() {}
