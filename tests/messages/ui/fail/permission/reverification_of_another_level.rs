use mcp_auth::mcp_tool;

#[mcp_tool(reverification("third_factor", 10))]
async fn hello() {}

fn main() {}
