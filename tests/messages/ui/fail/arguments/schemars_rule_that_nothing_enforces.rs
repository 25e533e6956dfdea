use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[schemars(length(max = 9))] name: String) -> String {
    name
}

fn main() {}
