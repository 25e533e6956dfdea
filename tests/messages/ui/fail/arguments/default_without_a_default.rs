use mcp_auth::mcp_tool;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name(String);

#[mcp_tool]
async fn hello(#[arg(default)] name: Name) -> String {
    name.0
}

fn main() {}
