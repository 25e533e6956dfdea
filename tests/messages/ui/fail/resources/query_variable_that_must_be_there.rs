use mcp_auth::mcp_resource;

#[mcp_resource("docs://all{?page}")]
async fn document(page: u32) -> String {
    format!("{page:?}")
}

fn main() {}
