use mcp_auth::mcp_tool;

fn owns(id: &str) -> usize {
    id.len()
}

#[mcp_tool(authorize = owns(document_id))]
async fn read(document_id: String) {}

fn main() {}
