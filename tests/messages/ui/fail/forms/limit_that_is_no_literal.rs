const MOST: u8 = 6;

#[mcp_auth::form]
struct Visit {
    #[form(max = MOST)]
    guests: u8,
}

fn main() {}
