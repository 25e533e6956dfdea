use mcp_auth::mcp_resource;

#[mcp_resource("docs://büro")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
