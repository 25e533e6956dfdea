use mcp_auth::{Org, Rate, mcp_tool};

const HOURLY: Rate = Rate::new("100/hour per org");
const DAILY: &str = "1000/day per client";

/// A rate.
#[mcp_tool(rate = "10/min per user")]
async fn limits_one() {}

/// Several rates, and constants.
#[mcp_tool(
    permission = "org:a:read",
    rate = all("1/s per user", HOURLY, DAILY),
    concurrency = 4
)]
async fn limits_several() {}

/// A rate of an organization that a parameter brings.
#[mcp_tool(rate = HOURLY)]
async fn limits_of_an_organization(org: &Org) -> String {
    org.id().to_owned()
}

/// A plain function for everybody.
#[mcp_tool(public, rate = "10/min per user", concurrency = 1)]
fn limits_of_everybody() {}
