use mcp_auth::mcp_tool;

struct Name(String);

#[mcp_tool]
async fn hello(name: Name) -> String {
    name.0
}

fn main() {}
