use mcp_auth::mcp_tool;

#[mcp_tool]
fn read() -> Result<(), Box<str>> {
    Err("There is no such document".into())
}

fn main() {}
