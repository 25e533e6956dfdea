#[mcp_auth::form]
struct Login {
    #[form(rename = "value")]
    api_key: String,
}

fn main() {}
