use mcp_auth::{Org, mcp_tool};

#[mcp_tool]
async fn hello(org: &Org) -> &str {
    org.id()
}

fn main() {}
