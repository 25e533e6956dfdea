use mcp_auth::mcp_tool;

#[mcp_auth::data]
struct Search {
    region: String,
}

#[mcp_tool]
async fn query(#[arg(flatten, header = "Region")] search: Search) -> String {
    search.region
}

fn main() {}
