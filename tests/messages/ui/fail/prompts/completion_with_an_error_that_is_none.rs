use mcp_auth::{CompletionRequest, mcp_prompt};

struct Refused;

async fn titles(_request: &CompletionRequest) -> Result<Vec<String>, Refused> {
    Err(Refused)
}

#[mcp_prompt]
async fn find(#[arg(complete = titles)] title: String) -> String {
    title
}

fn main() {}
