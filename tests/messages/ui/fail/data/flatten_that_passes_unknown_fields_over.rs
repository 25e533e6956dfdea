#[mcp_auth::data]
struct Page {
    #[serde(flatten)]
    limits: Limits,
}

#[mcp_auth::data]
struct Limits {
    most: u8,
}

fn main() {}
