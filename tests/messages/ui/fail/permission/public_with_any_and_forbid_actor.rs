use mcp_auth::mcp_tool;

#[mcp_tool(public, any(role = "admin", scope = "all"), forbid_actor)]
async fn hello() {}

fn main() {}
