use mcp_auth::mcp_resource;

#[mcp_resource("docs://{id}", size = 1024)]
async fn document(id: String) -> String {
    id
}

fn main() {}
