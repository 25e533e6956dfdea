fn main() {
    mcp_auth::permissions! {
        only;
        READ = "org:documents:read";
    }
}
