use mcp_auth::mcp_resource;

#[mcp_resource("documents/handbook")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
