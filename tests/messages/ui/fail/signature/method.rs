use mcp_auth::mcp_tool;

struct Greeter(String);

impl Greeter {
    #[mcp_tool]
    async fn hello(&self) -> String {
        self.0.clone()
    }
}

fn main() {}
