use mcp_auth::mcp_tool;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Person {
    name: String,
}

#[mcp_tool]
async fn hello(#[arg(flatten)] #[serde(alias = "p")] person: Person) -> String {
    person.name
}

fn main() {}
