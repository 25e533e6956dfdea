use mcp_auth::mcp_tool;

#[mcp_tool(name = "abcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefgh")]
async fn hello() {}

fn main() {}
