use mcp_auth::mcp_resource;

struct Document;

#[mcp_resource("docs://handbook")]
async fn document() -> Option<Document> {
    None
}

fn main() {}
