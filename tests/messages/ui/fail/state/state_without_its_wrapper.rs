use mcp_auth::mcp_tool;

struct Names(Vec<String>);

#[mcp_tool]
async fn hello(names: &Names) -> usize {
    names.0.len()
}

fn main() {}
