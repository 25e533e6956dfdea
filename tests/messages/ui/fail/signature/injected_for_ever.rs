use mcp_auth::{Org, mcp_tool};

#[mcp_tool]
async fn hello(org: &'static Org) -> String {
    org.id().to_owned()
}

fn main() {}
