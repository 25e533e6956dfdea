use mcp_auth::mcp_prompt;

#[mcp_prompt]
async fn find(#[arg(header = "Region")] region: String) -> String {
    region
}

fn main() {}
