#[mcp_auth::form]
struct Visit {
    #[form(max = 6, default = 8)]
    guests: u8,
}

fn main() {}
