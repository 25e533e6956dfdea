use mcp_auth::mcp_tool;

#[mcp_tool]
async fn read() -> Result<(), &'static str> {
    Err("There is no such document")
}

fn main() {}
