#[mcp_auth::form]
struct Login {
    #[form(rename = "oneTimeCode")]
    value: String,
}

fn main() {}
