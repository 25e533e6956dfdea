use mcp_auth::mcp_tool;

#[mcp_tool(task("optional"))]
async fn report() {}

fn main() {}
