#[mcp_auth::data]
struct Page {
    #[garde(range(max = 100))]
    size: u8,
}

#[mcp_auth::data]
struct Query {
    pages: Vec<Page>,
}

fn main() {}
