use mcp_auth::mcp_tool;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Person {
    name: String,
}

#[mcp_tool(rename_all = "camelCase")]
async fn hello(#[arg(flatten)] person: Person) -> String {
    person.name
}

fn main() {}
