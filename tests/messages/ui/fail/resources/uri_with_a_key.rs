use mcp_auth::mcp_resource;

#[mcp_resource(uri = "docs://handbook")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
