use mcp_auth::mcp_tool;

#[mcp_tool(confirm = "Delete {document}?")]
async fn delete(document_id: String) {
    drop(document_id);
}

fn main() {}
