use mcp_auth::{Org, mcp_resource};

#[mcp_resource("docs://{org}/handbook")]
async fn document(org: &Org) -> String {
    org.id().to_owned()
}

fn main() {}
