use mcp_auth::mcp_resource;

#[mcp_resource("")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
