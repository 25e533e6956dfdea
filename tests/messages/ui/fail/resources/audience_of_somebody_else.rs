use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", audience = "model")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
