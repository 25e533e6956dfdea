use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", priority = 1.5)]
async fn document() -> &'static str {
    "text"
}

fn main() {}
