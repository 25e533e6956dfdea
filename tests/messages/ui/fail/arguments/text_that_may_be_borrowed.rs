use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(name: std::borrow::Cow<'_, str>) -> String {
    name.into_owned()
}

fn main() {}
