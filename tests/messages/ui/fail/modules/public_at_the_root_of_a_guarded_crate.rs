mcp_auth::module_guard!(require_org, permission = "org:billing:manage");

#[mcp_auth::mcp_tool(read_only, public)]
async fn prices() {}

fn main() {}
