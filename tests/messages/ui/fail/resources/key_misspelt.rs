use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", mimetype = "text/markdown")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
