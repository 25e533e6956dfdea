use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", mime_type = MARKDOWN)]
async fn document() -> &'static str {
    "text"
}

fn main() {}
