#[mcp_auth::form]
enum Size {
    Small,
    Large,
}

fn main() {
    <Size as mcp_auth::Form>::schema();
}
