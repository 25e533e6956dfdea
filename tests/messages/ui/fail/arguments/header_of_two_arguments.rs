use mcp_auth::mcp_tool;

#[mcp_tool]
async fn copy(
    #[arg(header = "Region")] from: String,
    #[arg(header = "region")] to: String,
) -> String {
    from + &to
}

fn main() {}
