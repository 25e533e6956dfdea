use mcp_auth::mcp_tool;

struct Name(String);

#[mcp_tool]
async fn hello() -> Result<String, Name> {
    Err(Name("Ada".to_owned()))
}

fn main() {}
