use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[garde(inner(length(chars, max = 9)))] name: Option<Vec<String>>) {
    drop(name);
}

fn main() {}
