use mcp_auth::mcp_tool;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Person {
    name: String,
}

#[mcp_tool]
async fn hello(#[arg(flatten, default)] person: Person) -> String {
    person.name
}

fn main() {}
