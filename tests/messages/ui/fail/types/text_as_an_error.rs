use mcp_auth::mcp_tool;

#[mcp_tool]
async fn read(name: String) -> Result<String, String> {
    Err(format!("There is no document {name}"))
}

fn main() {}
