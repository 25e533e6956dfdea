use mcp_auth::{State, mcp_tool};

use std::cell::Cell;

struct Count(Cell<u32>);

#[mcp_tool]
async fn count(count: &State<Count>) -> u32 {
    count.0.get()
}

fn main() {}
