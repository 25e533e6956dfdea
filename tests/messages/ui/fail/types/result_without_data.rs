use mcp_auth::{Json, mcp_tool};

struct Name(String);

#[mcp_tool]
async fn hello() -> Json<Name> {
    Json(Name("Ada".to_owned()))
}

fn main() {}
