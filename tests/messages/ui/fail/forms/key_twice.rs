#[mcp_auth::form(rename_all = "camelCase", rename_all = "snake_case")]
struct Visit {
    first_day: String,
}

fn main() {}
