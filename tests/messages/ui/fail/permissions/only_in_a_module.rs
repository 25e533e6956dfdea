mod may {
    mcp_auth::permissions! {
        only;
        pub READ = "org:documents:read";
    }
}

fn main() {}
