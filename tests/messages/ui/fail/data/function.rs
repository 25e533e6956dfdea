#[mcp_auth::data]
fn hello() {}

fn main() {}
