#[mcp_auth::form]
enum Size {
    Small,
}

#[mcp_auth::form]
struct Shirt {
    #[form(min_items = 1)]
    size: Size,
}

fn main() {}
