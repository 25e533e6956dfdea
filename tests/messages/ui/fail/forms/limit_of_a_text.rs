#[mcp_auth::form]
struct Visit {
    #[form(min = 2)]
    city: String,
}

fn main() {}
