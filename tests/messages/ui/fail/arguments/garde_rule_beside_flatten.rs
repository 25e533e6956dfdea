use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[arg(flatten)] #[garde(length(simple, max = 9))] name: std::collections::BTreeMap<String, u8>) {
    drop(name);
}

fn main() {}
