#[mcp_auth::form]
union Number {
    whole: i64,
    real: f64,
}

fn main() {}
