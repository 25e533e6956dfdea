#[mcp_auth::form]
struct Visit {
    #[form(rename = "")]
    city: String,
}

fn main() {}
