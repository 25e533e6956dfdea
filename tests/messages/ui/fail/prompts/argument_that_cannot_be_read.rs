use mcp_auth::mcp_prompt;

struct Name;

#[mcp_prompt]
async fn greet(name: Name) -> &'static str {
    drop(name);
    "hello"
}

fn main() {}
