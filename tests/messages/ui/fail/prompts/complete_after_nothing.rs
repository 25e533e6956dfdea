use mcp_auth::mcp_prompt;

#[mcp_prompt]
async fn find(#[arg(complete)] title: String) -> String {
    title
}

fn main() {}
