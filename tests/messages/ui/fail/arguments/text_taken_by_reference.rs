use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(name: &str) -> String {
    name.to_owned()
}

fn main() {}
