use mcp_auth::mcp_tool;

#[mcp_tool]
async extern "C" fn hello() {}

fn main() {}
