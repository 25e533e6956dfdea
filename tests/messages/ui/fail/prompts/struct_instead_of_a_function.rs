use mcp_auth::mcp_prompt;

#[mcp_prompt]
struct Greeting;

fn main() {}
