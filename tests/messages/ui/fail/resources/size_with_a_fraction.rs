use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", size = 1.5)]
async fn document() -> &'static str {
    "text"
}

fn main() {}
