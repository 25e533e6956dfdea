#[mcp_auth::data(allow_unknown = true)]
enum Order {
    #[serde(rename = "new")]
    Newest,
}

fn main() {}
