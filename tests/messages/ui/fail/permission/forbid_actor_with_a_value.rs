use mcp_auth::mcp_tool;

#[mcp_tool(forbid_actor = true)]
async fn hello() {}

fn main() {}
