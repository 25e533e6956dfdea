use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[garde(adapt(rules), length(chars, max = 9))] name: String) {
    drop(name);
}

fn main() {}
