use mcp_auth::mcp_resource;

#[mcp_resource("docs://{id}/{id}")]
async fn document(id: String) -> String {
    format!("{id:?}")
}

fn main() {}
