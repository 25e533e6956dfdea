use mcp_auth::{CompletionRequest, mcp_prompt};

fn titles(request: &CompletionRequest) -> Vec<String> {
    vec![request.value().to_owned()]
}

#[mcp_auth::data]
struct Search {
    title: String,
}

#[mcp_prompt]
async fn find(#[arg(flatten, complete = titles)] search: Search) -> String {
    search.title
}

fn main() {}
