#[mcp_auth::data]
#[derive(Clone, serde::Serialize)]
struct Page {
    size: u8,
}

fn main() {}
