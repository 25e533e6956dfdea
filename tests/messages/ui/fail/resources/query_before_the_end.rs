use mcp_auth::mcp_resource;

#[mcp_resource("docs://{?page}/text")]
async fn document(page: Option<u32>) -> String {
    format!("{page:?}")
}

fn main() {}
