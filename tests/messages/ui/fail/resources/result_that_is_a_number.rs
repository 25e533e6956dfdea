use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook")]
async fn document() -> u32 {
    42
}

fn main() {}
