use mcp_auth::{CompletionRequest, mcp_prompt};

fn ids(_request: &CompletionRequest) -> Vec<u32> {
    vec![1]
}

#[mcp_prompt]
async fn find(#[arg(complete = ids)] id: u32) -> String {
    id.to_string()
}

fn main() {}
