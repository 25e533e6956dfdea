fn main() {
    let _ = mcp_auth::server!(states = 7);
}
