use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[garde(dive)] name: &mcp_auth::Caller) {
    drop(name);
}

fn main() {}
