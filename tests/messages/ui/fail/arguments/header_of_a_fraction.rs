use mcp_auth::mcp_tool;

#[mcp_tool]
async fn query(#[arg(header = "Share")] share: Option<f64>) -> String {
    share.unwrap_or_default().to_string()
}

fn main() {}
