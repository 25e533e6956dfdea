use mcp_auth::mcp_tool;

#[mcp_tool(reverification("second_factor"))]
async fn hello() {}

fn main() {}
