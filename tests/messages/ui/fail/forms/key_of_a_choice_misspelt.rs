#[mcp_auth::form]
enum Size {
    #[form(title = "Large")]
    Large,
}

fn main() {}
