#[mcp_auth::form(rename_al = "camelCase")]
struct Visit {
    first_day: String,
}

fn main() {}
