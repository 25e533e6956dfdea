#[mcp_auth::data]
#[serde(tag = "kind")]
enum Shape {
    Circle { radius: f64 },
    Point,
}

fn main() {}
