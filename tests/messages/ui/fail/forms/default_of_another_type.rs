#[mcp_auth::form]
struct Visit {
    #[form(default = "two")]
    guests: u8,
}

fn main() {}
