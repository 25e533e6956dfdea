mcp_auth::permissions! {
    pub READ = "org:documents:read";
    pub VIEW = "org:documents:read";
}

fn main() {}
