use mcp_auth::mcp_tool;

#[mcp_tool(any(reverification("first_factor", 10, 5), role = "admin"))]
async fn hello() {}

fn main() {}
