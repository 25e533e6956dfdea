#[mcp_auth::form]
struct Visit {
    #[form(format = "datetime")]
    arrival: String,
}

fn main() {}
