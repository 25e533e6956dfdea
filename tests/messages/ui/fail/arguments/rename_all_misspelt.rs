use mcp_auth::mcp_tool;

#[mcp_tool(rename_all = "camelcase")]
async fn hello(user_name: String) -> String {
    user_name
}

fn main() {}
