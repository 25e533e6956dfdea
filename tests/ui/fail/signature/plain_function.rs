use mcp_auth::mcp_tool;

#[mcp_tool]
fn hello() {}

fn main() {}
