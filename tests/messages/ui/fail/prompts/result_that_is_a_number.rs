use mcp_auth::mcp_prompt;

#[mcp_prompt]
async fn answer() -> u32 {
    42
}

fn main() {}
