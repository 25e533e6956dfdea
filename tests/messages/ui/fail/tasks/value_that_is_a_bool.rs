use mcp_auth::mcp_tool;

#[mcp_tool(task = true)]
async fn report() {}

fn main() {}
