use mcp_auth::mcp_resource;

#[mcp_resource("docs://{document}")]
async fn document(documnet: String) -> String {
    format!("{documnet:?}")
}

fn main() {}
