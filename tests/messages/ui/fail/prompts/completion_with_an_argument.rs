use mcp_auth::{CompletionRequest, mcp_prompt};

fn titles(_request: &CompletionRequest, _id: &str) -> Vec<String> {
    Vec::new()
}

#[mcp_prompt]
async fn find(#[arg(complete = titles(id))] title: String, id: String) -> String {
    title + &id
}

fn main() {}
