use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook")]
async fn document() -> Result<String, String> {
    Err("gone".to_owned())
}

fn main() {}
