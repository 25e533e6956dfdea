#[mcp_auth::form]
struct Visit {
    #[form(rename = "city")]
    from: String,
    city: String,
}

fn main() {}
