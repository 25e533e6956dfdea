use mcp_auth::mcp_tool;

#[mcp_tool(meta("io.modelcontextprotocol/team" = 1))]
async fn hello() {}

fn main() {}
