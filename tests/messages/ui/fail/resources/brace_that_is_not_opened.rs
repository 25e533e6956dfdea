use mcp_auth::mcp_resource;

#[mcp_resource("docs://id}")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
