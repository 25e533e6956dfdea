use mcp_auth::{CompletionRequest, Org, mcp_prompt};

fn titles(request: &CompletionRequest, org: &Org) -> Vec<String> {
    vec![request.value().to_owned(), org.id().to_owned()]
}

#[mcp_prompt]
async fn find(#[arg(complete = titles)] title: String, org: &Org) -> String {
    title + org.id()
}

fn main() {}
