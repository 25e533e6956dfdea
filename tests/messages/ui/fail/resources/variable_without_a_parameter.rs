use mcp_auth::mcp_resource;

#[mcp_resource("docs://{org}/{id}")]
async fn document(org: String) -> String {
    format!("{org:?}")
}

fn main() {}
