#[mcp_auth::form]
struct Visit {
    city: &'static str,
}

fn main() {}
