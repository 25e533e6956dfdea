use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook")]
async fn document(id: String) -> String {
    format!("{id:?}")
}

fn main() {}
