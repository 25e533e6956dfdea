#[mcp_auth::form]
struct Visit {
    #[form(min = 1, max = 6, min = 2)]
    guests: u8,
}

fn main() {}
