use mcp_auth::mcp_tool;

#[mcp_tool]
async fn query(#[arg(header = "Regions")] regions: Vec<String>) -> String {
    regions.concat()
}

fn main() {}
