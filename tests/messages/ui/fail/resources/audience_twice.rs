use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", audience = any("user", "user"))]
async fn document() -> &'static str {
    "text"
}

fn main() {}
