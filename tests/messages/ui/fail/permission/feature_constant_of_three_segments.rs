use mcp_auth::mcp_tool;

const EXPORT: &str = "org:export:pdf";

#[mcp_tool(feature = EXPORT)]
async fn hello() {}

fn main() {}
