#[mcp_auth::form]
struct Visit {
    city: Option<Option<String>>,
}

fn main() {}
