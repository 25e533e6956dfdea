mcp_auth::module_guard!(role = all("admin", "member"));

fn main() {}
