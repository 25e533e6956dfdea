use mcp_auth::mcp_tool;

const NAME: &str = "say hello";

#[mcp_tool(name = NAME)]
async fn hello() {}

fn main() {}
