use mcp_auth::mcp_prompt;

#[mcp_prompt(permision = "org:documents:read")]
async fn greet() -> &'static str {
    "hello"
}

fn main() {}
