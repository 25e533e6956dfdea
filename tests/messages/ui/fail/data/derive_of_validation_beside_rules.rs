#[mcp_auth::data]
#[derive(garde::Validate)]
struct Page {
    #[garde(range(max = 9))]
    size: u8,
}

fn main() {}
