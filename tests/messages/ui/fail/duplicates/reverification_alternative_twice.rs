use mcp_auth::mcp_tool;

#[mcp_tool(any(reverification("first_factor", 10), role = "admin", reverification("first_factor", 10.0)))]
async fn hello() {}

fn main() {}
