use mcp_auth::mcp_resource;

#[mcp_resource("docs://{+path}{?page}")]
async fn document(path: String, page: Option<u32>) -> String {
    format!("{path:?}{page:?}")
}

fn main() {}
