use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[garde(pattern("(?i)^[a-z]+$"))] name: String) {
    drop(name);
}

fn main() {}
