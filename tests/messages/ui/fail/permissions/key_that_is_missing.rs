mcp_auth::permissions! {
    pub READ;
    pub WRITE = "org:documents:write";
}

fn main() {}
