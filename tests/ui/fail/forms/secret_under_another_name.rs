#[mcp_auth::form]
struct Login {
    #[form(rename = "apiKey")]
    value: String,
}

fn main() {}
