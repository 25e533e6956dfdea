use mcp_auth::mcp_resource;

struct Documents;

impl Documents {
    #[mcp_resource("docs://handbook")]
    async fn document(&self) -> &'static str {
        "text"
    }
}

fn main() {}
