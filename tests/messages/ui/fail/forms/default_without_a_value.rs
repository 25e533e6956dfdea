#[mcp_auth::form]
struct Visit {
    #[form(default)]
    guests: u8,
}

fn main() {}
