use mcp_auth::mcp_tool;

use std::rc::Rc;

#[mcp_tool]
async fn hello(name: String) -> String {
    let name = Rc::new(name);
    std::future::ready(()).await;
    name.to_string()
}

fn main() {}
