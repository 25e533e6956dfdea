use mcp_auth::mcp_tool;

struct Name(String);

#[mcp_tool]
async fn hello(names: Vec<Name>) -> String {
    names.into_iter().map(|name| name.0).collect()
}

fn main() {}
