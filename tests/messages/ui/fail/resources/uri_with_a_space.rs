use mcp_auth::mcp_resource;

#[mcp_resource("docs://the handbook")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
