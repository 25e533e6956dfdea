mcp_auth::module_guard!(require_org);

mcp_auth::module_guard!(role = "admin");

fn main() {}
