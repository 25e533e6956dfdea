use mcp_auth::{ToolError, mcp_tool};

async fn owns(id: &str) -> Result<bool, ToolError> {
    Ok(id == "d1")
}

#[mcp_tool(authorize = |document_id| owns(document_id))]
async fn read(document_id: String) {
    drop(document_id);
}

fn main() {}
