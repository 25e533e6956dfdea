use mcp_auth::mcp_tool;

async fn owns(_id: &str) {}

#[mcp_tool(authorize = owns(document_id))]
async fn read(document_id: String) {}

fn main() {}
