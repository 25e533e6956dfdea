use mcp_auth::mcp_tool;

#[mcp_tool(confirm = "Delete {document_ids}?")]
async fn delete(document_ids: Vec<String>) {
    drop(document_ids);
}

fn main() {}
