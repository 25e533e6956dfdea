use mcp_auth::{ToolError, mcp_prompt};

struct Greeting;

#[mcp_prompt]
async fn greet() -> Result<Greeting, ToolError> {
    Ok(Greeting)
}

fn main() {}
