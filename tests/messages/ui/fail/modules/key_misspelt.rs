mcp_auth::module_guard!(permision = "org:billing:manage");

fn main() {}
