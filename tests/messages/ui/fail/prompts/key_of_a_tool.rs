use mcp_auth::mcp_prompt;

#[mcp_prompt(read_only)]
async fn greet() -> &'static str {
    "hello"
}

fn main() {}
