use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[arg(renamed = "user")] name: String) -> String {
    name
}

fn main() {}
