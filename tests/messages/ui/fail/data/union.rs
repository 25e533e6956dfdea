#[mcp_auth::data]
union Number {
    whole: i64,
    real: f64,
}

fn main() {}
