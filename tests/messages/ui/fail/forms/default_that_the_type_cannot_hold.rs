#[mcp_auth::form]
struct Visit {
    #[form(default = 300)]
    guests: u8,
}

fn main() {}
