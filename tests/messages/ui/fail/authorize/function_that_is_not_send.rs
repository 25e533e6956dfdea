use std::rc::Rc;

use mcp_auth::mcp_tool;

async fn owns(_id: &str) -> bool {
    let held = Rc::new(true);
    std::future::ready(()).await;
    *held
}

#[mcp_tool(authorize = owns(document_id))]
async fn read(document_id: String) {}

fn main() {}
