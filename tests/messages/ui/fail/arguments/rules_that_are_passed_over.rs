#[mcp_auth::data]
struct Page {
    #[garde(range(max = 100))]
    size: u8,
}

/// List.
#[mcp_auth::mcp_tool]
async fn list(page: Option<Page>) {
    let _ = page;
}

fn main() {}
