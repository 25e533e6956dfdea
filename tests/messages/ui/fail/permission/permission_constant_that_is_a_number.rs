use mcp_auth::mcp_tool;

const DELETE: u32 = 7;

#[mcp_tool(permission = DELETE)]
async fn hello() {}

fn main() {}
