use mcp_auth::mcp_tool;

struct Refused;

async fn owns(_id: &str) -> Result<bool, Refused> {
    Err(Refused)
}

#[mcp_tool(authorize = owns(document_id))]
async fn read(document_id: String) {}

fn main() {}
