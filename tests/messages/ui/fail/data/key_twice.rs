#[mcp_auth::data(allow_unknown, allow_unknown)]
struct Page {
    size: u8,
}

fn main() {}
