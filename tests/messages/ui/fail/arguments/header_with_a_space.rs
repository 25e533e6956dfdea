use mcp_auth::mcp_tool;

#[mcp_tool]
async fn query(#[arg(header = "Home Region")] region: String) -> String {
    region
}

fn main() {}
