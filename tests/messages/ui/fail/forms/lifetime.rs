#[mcp_auth::form]
struct Answer<'a> {
    answer: &'a str,
}

fn main() {}
