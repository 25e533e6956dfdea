use mcp_auth::mcp_tool;

#[mcp_tool(permision = "org:a:b", role = "Admin", timeout = 0)]
fn hello(name: &str, #[cfg(unix)] id: u8) -> impl ToString {
    name.len() + usize::from(id)
}

fn main() {}
