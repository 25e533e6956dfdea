use mcp_auth::mcp_prompt;

#[mcp_prompt(confirm = "Summarise?")]
async fn summarise() -> String {
    String::new()
}

fn main() {}
