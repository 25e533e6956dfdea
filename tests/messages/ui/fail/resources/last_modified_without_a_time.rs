use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", last_modified = "2026-01-12")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
