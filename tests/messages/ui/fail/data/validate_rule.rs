#[mcp_auth::data]
struct Page {
    #[validate(range(max = 100))]
    size: u8,
}

fn main() {}
