use mcp_auth::mcp_tool;

fn question(id: &str) -> bool {
    id.is_empty()
}

#[mcp_tool(confirm = question(document_id))]
async fn delete(document_id: String) {
    drop(document_id);
}

fn main() {}
