use mcp_auth::mcp_tool;

#[mcp_tool]
struct Hello;

fn main() {}
