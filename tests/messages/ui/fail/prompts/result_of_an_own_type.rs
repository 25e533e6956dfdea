use mcp_auth::mcp_prompt;

struct Greeting;

#[mcp_prompt]
async fn greet() -> Greeting {
    Greeting
}

fn main() {}
