use mcp_auth::{CompletionRequest, mcp_prompt};

fn titles(request: &CompletionRequest) -> Vec<String> {
    vec![request.value().to_owned()]
}

#[mcp_prompt]
async fn find(#[arg(complete = titles, complete = titles)] title: String) -> String {
    title
}

fn main() {}
