#[mcp_auth::form]
struct Visit {
    #[form]
    city: String,
}

fn main() {}
