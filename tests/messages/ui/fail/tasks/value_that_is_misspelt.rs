use mcp_auth::mcp_tool;

#[mcp_tool(task = "optionally")]
async fn report() {}

fn main() {}
