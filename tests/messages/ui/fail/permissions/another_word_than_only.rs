mcp_auth::permissions! {
    just;
    pub READ = "org:documents:read";
}

fn main() {}
