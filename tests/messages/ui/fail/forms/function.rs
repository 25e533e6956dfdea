#[mcp_auth::form]
fn visit() {}

fn main() {}
