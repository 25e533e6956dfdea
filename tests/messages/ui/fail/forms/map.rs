use std::collections::BTreeMap;

#[mcp_auth::form]
struct Visit {
    notes: BTreeMap<String, String>,
}

fn main() {}
