use mcp_auth::mcp_prompt;

#[mcp_prompt]
async fn greet<T>(name: T) -> &'static str {
    drop(name);
    "hello"
}

fn main() {}
