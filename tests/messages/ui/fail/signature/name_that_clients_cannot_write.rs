use mcp_auth::mcp_tool;

#[mcp_tool]
async fn grüße() {}

fn main() {}
