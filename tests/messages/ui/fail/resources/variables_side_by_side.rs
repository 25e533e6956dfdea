use mcp_auth::mcp_resource;

#[mcp_resource("docs://{org}{id}")]
async fn document(org: String, id: String) -> String {
    format!("{org:?}{id:?}")
}

fn main() {}
