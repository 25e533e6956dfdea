#[mcp_auth::data]
struct Page {
    #[garde(length(max = 9))]
    title: String,
}

fn main() {}
