#[mcp_auth::form]
struct Visit {
    #[form(max_length = 2)]
    guests: u8,
}

fn main() {}
