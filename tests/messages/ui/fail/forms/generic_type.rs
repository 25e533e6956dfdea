#[mcp_auth::form]
struct Answer<T> {
    answer: T,
}

fn main() {}
