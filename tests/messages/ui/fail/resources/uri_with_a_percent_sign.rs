use mcp_auth::mcp_resource;

#[mcp_resource("docs://100%")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
