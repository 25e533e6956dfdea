use mcp_auth::mcp_resource;

#[mcp_resource("{scheme}://handbook")]
async fn document(scheme: String) -> String {
    format!("{scheme:?}")
}

fn main() {}
