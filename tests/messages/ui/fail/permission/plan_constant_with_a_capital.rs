use mcp_auth::mcp_tool;

const PRO: &str = "Pro";

#[mcp_tool(plan = all("free", PRO))]
async fn hello() {}

fn main() {}
