use mcp_auth::mcp_tool;

#[mcp_tool]
async unsafe fn hello() {}

fn main() {}
