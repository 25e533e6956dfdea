use mcp_auth::mcp_tool;

#[mcp_tool]
async fn measure(größe: u32, #[arg(rename = "unit of measurement")] unit: String) {
    drop((größe, unit));
}

fn main() {}
