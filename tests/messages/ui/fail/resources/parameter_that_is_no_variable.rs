use mcp_auth::mcp_resource;

#[mcp_resource("docs://{id}")]
async fn document(id: String, title: String) -> String {
    format!("{id:?}{title:?}")
}

fn main() {}
