use mcp_auth::mcp_tool;

#[mcp_tool(crate = crate::framework)]
async fn hello(name: String) -> String {
    name
}

fn main() {}
