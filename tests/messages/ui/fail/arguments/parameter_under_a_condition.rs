use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[cfg(unix)] name: String) -> String {
    name
}

fn main() {}
