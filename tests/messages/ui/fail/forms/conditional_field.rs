#[mcp_auth::form]
struct Visit {
    #[cfg(unix)]
    city: String,
}

fn main() {}
