use mcp_auth::mcp_tool;

#[mcp_tool]
async fn query(
    #[arg(header = "Region")]
    #[serde(alias = "zone")]
    region: String,
) -> String {
    region
}

fn main() {}
