use mcp_auth::mcp_prompt;

fn knows(name: &str) -> bool {
    !name.is_empty()
}

#[mcp_prompt(authorize = knows(nmae))]
async fn greet(name: String) -> String {
    name
}

fn main() {}
