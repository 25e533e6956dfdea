fn main() {
    let _ = mcp_auth::server!(emulator("clerk.toml"));
}
