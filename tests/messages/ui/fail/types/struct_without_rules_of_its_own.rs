use mcp_auth::mcp_tool;

#[mcp_auth::data]
struct Page {
    size: u8,
}

#[mcp_tool]
async fn hello(#[arg(flatten)] #[garde(dive)] name: Page) {
    drop(name);
}

fn main() {}
