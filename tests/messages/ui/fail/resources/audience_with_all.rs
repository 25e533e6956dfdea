use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", audience = all("user", "assistant"))]
async fn document() -> &'static str {
    "text"
}

fn main() {}
