use mcp_auth::mcp_prompt;

#[mcp_prompt]
#[mcp_auth::mcp_tool]
async fn greet() -> &'static str {
    "hello"
}

fn main() {}
