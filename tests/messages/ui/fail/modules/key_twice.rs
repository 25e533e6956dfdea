mcp_auth::module_guard!(
    permission = "org:billing:read",
    permission = "org:billing:manage"
);

fn main() {}
