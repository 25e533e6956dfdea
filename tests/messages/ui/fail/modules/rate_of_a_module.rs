mcp_auth::module_guard!(require_org, rate = "10/min per user");

fn main() {}
