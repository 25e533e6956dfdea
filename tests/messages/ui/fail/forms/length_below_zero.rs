#[mcp_auth::form]
struct Visit {
    #[form(min_length = -1)]
    city: String,
}

fn main() {}
