#[mcp_auth::form]
struct Visit {
    address: Address,
}

#[mcp_auth::form]
struct Address {
    city: String,
}

fn main() {}
