use mcp_auth::{Json, ToolError, mcp_tool};

struct Name(String);

#[mcp_tool]
async fn hello() -> Result<Json<Vec<Name>>, ToolError> {
    Ok(Json(vec![Name("Ada".to_owned())]))
}

fn main() {}
