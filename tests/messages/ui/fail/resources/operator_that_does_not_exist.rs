use mcp_auth::mcp_resource;

#[mcp_resource("docs://{!path}")]
async fn document(path: String) -> String {
    format!("{path:?}")
}

fn main() {}
