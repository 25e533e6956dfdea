#[mcp_auth::form]
struct Visit {
    #[form(max_length = 9, min_length = 10)]
    city: String,
}

fn main() {}
