use mcp_auth::{CompletionRequest, mcp_prompt};

async fn titles(request: &CompletionRequest) -> String {
    request.value().to_owned()
}

#[mcp_prompt]
async fn find(#[arg(complete = titles)] title: String) -> String {
    title
}

fn main() {}
