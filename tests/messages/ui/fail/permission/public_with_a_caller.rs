use mcp_auth::{Caller, mcp_tool};

#[mcp_tool(public)]
async fn hello(who: &Caller) {
    let _ = who;
}

fn main() {}
