use mcp_auth::mcp_tool;

struct Name(String);

#[mcp_tool]
async fn hello() -> Name {
    Name("Ada".to_owned())
}

fn main() {}
