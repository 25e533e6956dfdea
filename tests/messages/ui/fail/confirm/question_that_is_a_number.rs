use mcp_auth::mcp_tool;

#[mcp_tool(confirm = 7)]
async fn delete(document_id: String) {
    drop(document_id);
}

fn main() {}
