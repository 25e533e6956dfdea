#[mcp_auth::form(rename_all = "lowercase")]
enum Size {
    Small,
    SMALL,
}

fn main() {}
