use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", ttl = "5")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
