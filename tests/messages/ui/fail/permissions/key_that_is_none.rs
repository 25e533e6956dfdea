mcp_auth::permissions! {
    pub READ = "documents.read";
}

fn main() {}
