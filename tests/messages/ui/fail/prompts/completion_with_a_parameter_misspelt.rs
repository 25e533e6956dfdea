use mcp_auth::{CompletionRequest, Org, mcp_prompt};

fn titles(_request: &CompletionRequest, org: &Org) -> Vec<String> {
    vec![org.id().to_owned()]
}

#[mcp_prompt]
async fn find(#[arg(complete = titles(ogr))] title: String, org: &Org) -> String {
    title + org.id()
}

fn main() {}
