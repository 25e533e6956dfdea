use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[validator] name: String) -> String {
    name
}

fn main() {}
