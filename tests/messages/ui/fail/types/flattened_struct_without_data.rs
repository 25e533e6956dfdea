use mcp_auth::mcp_tool;

struct Page {
    size: u8,
}

#[mcp_tool]
async fn list(#[arg(flatten)] page: Page) -> u8 {
    page.size
}

fn main() {}
