use mcp_auth::mcp_prompt;

#[mcp_prompt]
#[mcp_prompt]
async fn greet() -> &'static str {
    "hello"
}

fn main() {}
