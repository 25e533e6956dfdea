use mcp_auth::mcp_resource;

#[mcp_resource("docs://handbook")]
#[mcp_auth::mcp_prompt]
async fn document() -> &'static str {
    "text"
}

fn main() {}
