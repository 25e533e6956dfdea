use std::rc::Rc;

use mcp_auth::{CompletionRequest, mcp_prompt};

async fn titles(request: &CompletionRequest) -> Vec<String> {
    let held = Rc::new(request.value().to_owned());
    std::future::ready(()).await;
    vec![(*held).clone()]
}

#[mcp_prompt]
async fn find(#[arg(complete = titles)] title: String) -> String {
    title
}

fn main() {}
