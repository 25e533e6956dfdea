use mcp_auth::mcp_tool;

#[mcp_tool]
async fn query(#[arg(header = "")] region: String) -> String {
    region
}

fn main() {}
