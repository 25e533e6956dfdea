#[mcp_auth::form]
struct Answer(String, u8);

fn main() {}
