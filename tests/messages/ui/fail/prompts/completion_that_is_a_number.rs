use mcp_auth::{CompletionRequest, mcp_prompt};

fn titles(request: &CompletionRequest) -> usize {
    request.value().len()
}

#[mcp_prompt]
async fn find(#[arg(complete = titles)] title: String) -> String {
    title
}

fn main() {}
