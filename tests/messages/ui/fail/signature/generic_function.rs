use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello<T: ToString, const N: usize>(name: String) -> String {
    name
}

fn main() {}
