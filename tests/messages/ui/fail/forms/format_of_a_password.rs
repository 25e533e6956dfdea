#[mcp_auth::form]
struct Login {
    #[form(format = "password")]
    phrase: String,
}

fn main() {}
