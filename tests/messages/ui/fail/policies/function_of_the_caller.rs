use mcp_auth::{Caller, mcp_tool};

fn is_staff(caller: &Caller) -> bool {
    caller.has_scope("staff")
}

#[mcp_tool(any(policy = is_staff, role = "admin"))]
async fn tool() {}

fn main() {}
