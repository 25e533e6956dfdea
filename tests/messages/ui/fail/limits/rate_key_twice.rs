use mcp_auth::mcp_tool;

#[mcp_tool(rate = "10/min per user", rate = "100/day per user")]
async fn hello() {}

fn main() {}
