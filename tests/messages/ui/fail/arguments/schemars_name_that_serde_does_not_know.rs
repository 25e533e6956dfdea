use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[schemars(rename = "user")] name: String) -> String {
    name
}

fn main() {}
