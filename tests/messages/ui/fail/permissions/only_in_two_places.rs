mcp_auth::permissions! {
    only;
    READ = "org:documents:read";
}

mod may {
    mcp_auth::permissions! {
        only;
        WRITE = "org:documents:write";
    }
}

fn main() {}
