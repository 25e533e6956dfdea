use mcp_auth::{Org, mcp_tool};

#[mcp_tool]
async fn hello(org: &Option<Org>) -> bool {
    org.is_some()
}

fn main() {}
