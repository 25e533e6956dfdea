mcp_auth::permissions! {
    READ = "org:documents:read"
    WRITE = "org:documents:write";
}

fn main() {}
