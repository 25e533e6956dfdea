#[mcp_auth::form]
struct Visit {
    size: (u8, u8),
}

fn main() {}
