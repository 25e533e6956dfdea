use mcp_auth::{State, mcp_tool};

struct Names(Vec<String>);

#[mcp_tool]
async fn hello(names: State<Names>) -> usize {
    names.0.len()
}

fn main() {}
