mcp_auth::permissions! {
    only;
    pub MANAGE = "org:billing:manage";
}

mod billing {
    mcp_auth::module_guard!(any(permission = "org:billing:mange", role = "admin"));
}

fn main() {}
