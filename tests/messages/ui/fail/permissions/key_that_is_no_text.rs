mcp_auth::permissions! {
    pub READ = KEY;
}

const KEY: &str = "org:documents:read";

fn main() {}
