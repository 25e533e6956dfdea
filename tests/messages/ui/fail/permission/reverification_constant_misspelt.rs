use mcp_auth::mcp_tool;

const SOON: &str = "soon";

#[mcp_tool(reverification = SOON)]
async fn hello() {}

fn main() {}
