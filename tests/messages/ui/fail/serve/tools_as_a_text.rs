fn main() {
    let _ = mcp_auth::server!(tools = ["my_app::admin"]);
}
