#[mcp_auth::form]
struct Visit {
    cities: Vec<String>,
}

fn main() {}
