#[mcp_auth::data]
struct Page {
    #[schemars(range(max = 100))]
    size: u8,
}

fn main() {}
