use mcp_auth::mcp_tool;

struct Name<'a>(&'a str);

#[mcp_tool]
async fn hello(name: &Name<'_>) -> String {
    name.0.to_owned()
}

fn main() {}
