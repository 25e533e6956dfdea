use mcp_auth::mcp_resource;

const HANDBOOK: &str = "docs://handbook";

#[mcp_resource(HANDBOOK)]
async fn document() -> &'static str {
    HANDBOOK
}

fn main() {}
