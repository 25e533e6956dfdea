use mcp_auth::mcp_tool;

const CASE: &str = "camelCase";

#[mcp_tool(rename_all = CASE)]
async fn hello(user_name: String) -> String {
    user_name
}

fn main() {}
