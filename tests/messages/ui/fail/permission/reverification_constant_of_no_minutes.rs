use mcp_auth::{Reverification, mcp_tool};

const SOON: Reverification = Reverification::first_factor(0.0);

#[mcp_tool(reverification = SOON)]
async fn hello() {}

fn main() {}
