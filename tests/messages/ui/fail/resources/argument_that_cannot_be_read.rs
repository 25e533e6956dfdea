use mcp_auth::mcp_resource;

struct Id;

#[mcp_resource("docs://{id}")]
async fn document(id: Id) -> &'static str {
    drop(id);
    "text"
}

fn main() {}
