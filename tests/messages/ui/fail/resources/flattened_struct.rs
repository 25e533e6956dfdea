use mcp_auth::mcp_resource;

#[mcp_auth::data]
struct Input {
    id: String,
}

#[mcp_resource("docs://{id}")]
async fn document(#[arg(flatten)] input: Input) -> String {
    input.id
}

fn main() {}
