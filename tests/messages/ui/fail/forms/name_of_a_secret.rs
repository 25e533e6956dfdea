#[mcp_auth::form]
struct Login {
    user_name: String,
    new_password: String,
}

fn main() {}
