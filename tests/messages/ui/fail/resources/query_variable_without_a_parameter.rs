use mcp_auth::mcp_resource;

#[mcp_resource("docs://all{?page}")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
