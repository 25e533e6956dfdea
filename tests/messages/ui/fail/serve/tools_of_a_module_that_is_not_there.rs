fn main() {
    let _ = mcp_auth::server!(tools = [crate::admin]);
}
