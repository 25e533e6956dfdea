#[mcp_auth::form]
enum Size {
    Small,
    Other(u8),
}

fn main() {}
