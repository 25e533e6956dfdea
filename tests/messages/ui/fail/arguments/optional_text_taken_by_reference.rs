use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(name: Option<&str>) -> String {
    name.unwrap_or_default().to_owned()
}

fn main() {}
