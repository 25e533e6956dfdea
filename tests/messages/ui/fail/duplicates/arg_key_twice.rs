use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[arg(rename = "user", rename = "who")] name: String) -> String {
    name
}

fn main() {}
