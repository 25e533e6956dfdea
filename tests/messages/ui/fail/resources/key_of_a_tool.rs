use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook", allow_unknown)]
async fn document() -> &'static str {
    "text"
}

fn main() {}
