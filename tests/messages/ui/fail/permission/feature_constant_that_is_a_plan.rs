use mcp_auth::{Plan, mcp_tool};

const EXPORT: Plan = Plan::new("export");

#[mcp_tool(feature = EXPORT)]
async fn hello() {}

fn main() {}
