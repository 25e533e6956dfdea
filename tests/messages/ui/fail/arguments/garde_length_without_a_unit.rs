use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[garde(length(max = 9))] name: String) {
    drop(name);
}

fn main() {}
