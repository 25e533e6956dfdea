use std::borrow::Cow;

use mcp_auth::mcp_tool;

type Answer<T> = std::result::Result<T, Cow<'static, str>>;

#[mcp_tool]
async fn read() -> Answer<u32> {
    Err("There is no such document".into())
}

fn main() {}
