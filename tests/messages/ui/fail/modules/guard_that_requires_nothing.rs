mcp_auth::module_guard!();

fn main() {}
