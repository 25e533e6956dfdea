#[mcp_auth::form]
struct Visit {
    #[form(min_length = 2, default = "?")]
    city: String,
}

fn main() {}
