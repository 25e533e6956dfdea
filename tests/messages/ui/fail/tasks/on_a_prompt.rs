use mcp_auth::mcp_prompt;

#[mcp_prompt(task)]
async fn summarise() -> String {
    String::new()
}

fn main() {}
