#[mcp_auth::data(allow_unknwon)]
struct Page {
    #[serde(default)]
    size: u8,
}

fn main() {}
