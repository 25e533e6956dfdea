mcp_auth::module_guard!(public);

fn main() {}
