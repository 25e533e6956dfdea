mcp_auth::permissions! {
    only;
}

fn main() {}
