use mcp_auth::mcp_tool;

#[mcp_tool(reverification("second_factor", 0))]
async fn hello() {}

fn main() {}
