#[mcp_auth::data]
struct Filter {
    urgency: Option<Urgency>,
}

enum Urgency {
    Low,
}

fn main() {}
