use mcp_auth::mcp_prompt;

#[mcp_prompt(description = "Greet somebody.")]
async fn greet() -> &'static str {
    "hello"
}

fn main() {}
