#[mcp_auth::form]
struct Visit {
    #[form(min = 6, max = 1)]
    guests: u8,
}

fn main() {}
