#[derive(Clone, serde::Serialize)]
#[mcp_auth::data]
struct Page {
    size: u8,
}

fn main() {}
