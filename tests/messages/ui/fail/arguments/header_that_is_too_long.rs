use mcp_auth::mcp_tool;

#[mcp_tool]
async fn query(
    #[arg(header = "the-region-in-which-the-query-runs-and-in-which-its-result-is-kept")] region: String,
) -> String {
    region
}

fn main() {}
