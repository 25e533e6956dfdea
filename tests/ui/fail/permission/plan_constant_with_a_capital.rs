use mcp_auth::mcp_tool;

const PRO: &str = "Pro";

#[mcp_tool(plan("free", PRO))]
async fn hello() {}

fn main() {}
