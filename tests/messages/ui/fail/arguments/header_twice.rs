use mcp_auth::mcp_tool;

#[mcp_tool]
async fn query(#[arg(header = "Region", header = "Zone")] region: String) -> String {
    region
}

fn main() {}
