use mcp_auth::mcp_tool;

#[mcp_tool(rename_all = "camelCase")]
async fn hello(user_id: u8, #[arg(rename = "userId")] user: u8) -> u8 {
    user_id + user
}

fn main() {}
