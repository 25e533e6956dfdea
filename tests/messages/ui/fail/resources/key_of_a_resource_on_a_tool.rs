use mcp_auth::mcp_tool;

#[mcp_tool(mime_type = "text/markdown")]
async fn document() -> &'static str {
    "text"
}

fn main() {}
