use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(id: u8, #[serde(rename = "id")] user: u8) -> u8 {
    id + user
}

fn main() {}
