mcp_auth::module_guard!(require_user);

#[mcp_auth::mcp_prompt(public)]
async fn prices() -> &'static str {
    "What does it cost?"
}

fn main() {}
