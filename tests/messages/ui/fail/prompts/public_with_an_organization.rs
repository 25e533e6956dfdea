use mcp_auth::mcp_prompt;

#[mcp_prompt(public, require_org)]
async fn greet() -> &'static str {
    "hello"
}

fn main() {}
