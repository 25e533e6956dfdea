#[mcp_auth::form]
enum Size {}

fn main() {}
