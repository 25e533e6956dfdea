const MANAGE: &str = "billing.manage";

mcp_auth::module_guard!(permission = MANAGE);

fn main() {}
