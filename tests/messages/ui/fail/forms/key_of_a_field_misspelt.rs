#[mcp_auth::form]
struct Visit {
    #[form(minimum = 1)]
    guests: u8,
}

fn main() {}
